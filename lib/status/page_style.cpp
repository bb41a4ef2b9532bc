#include "status/page_parts.hpp"

namespace pgcertd::status {
namespace {

constexpr std::string_view style = R"css(
:root{--bg:#f5f7f6;--card:#fff;--ink:#1a2528;--muted:#55636a;--line:#dde4e2;--soft:#eef2f1;--ok:#1b7347;--warn:#8a5a00;
--crit:#b3261e;--unk:#565b8c;
--ok-bg:#e8f4ed;--warn-bg:#fdf3dc;--crit-bg:#fdeceb;--unk-bg:#eeeef7;--root:#8793a8;--issuing:#5f7fb8;--leaf:#23897c;
--served:#23897c;--crl:#a3834f;--code:#f0f3f2}
@media (prefers-color-scheme:dark){:root{--bg:#101619;--card:#182024;--ink:#e3eae8;--muted:#9dabb0;--line:#2a353a;--soft:#222c31;
--ok:#6acb98;
--warn:#e6b755;--crit:#ff8f86;--unk:#aeb3e6;--ok-bg:#142a20;--warn-bg:#2e2613;--crit-bg:#351a19;--unk-bg:#20223a;--root:#7d8aa0;
--issuing:#7b9ad2;
--leaf:#4fb9aa;--served:#4fb9aa;--crl:#c5a56f;--code:#222c31}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--bg);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
header,main,footer{max-width:70rem;margin:0 auto;padding:0 1.25rem}
header{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center;justify-content:space-between;padding-top:1.1rem;
padding-bottom:.6rem}
.brand{display:inline-flex;align-items:center;gap:.5rem;font-weight:650;font-size:1.1rem;letter-spacing:-.01em}
.brand path{fill:var(--leaf)}
svg .sign,.brand .sign{fill:none;stroke:var(--card);stroke-width:2.4;stroke-linecap:round;stroke-linejoin:round}
nav{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.9rem}
a{color:var(--muted);text-underline-offset:.2em;text-decoration-color:var(--line)}
a:hover{color:var(--ink);text-decoration-color:currentColor}
:focus-visible{outline:2px solid var(--issuing);outline-offset:2px;border-radius:4px}
h1,h2,h3{line-height:1.2;margin:0;letter-spacing:-.012em}
h1{font-size:1.6rem;font-weight:650}
h2{font-size:1.25rem;font-weight:650}
h3{font-size:.98rem;font-weight:650}
p{margin:.4rem 0}
section{margin:0 0 2.2rem}
.head{display:flex;flex-wrap:wrap;gap:.4rem .7rem;align-items:center}
.banner{display:flex;gap:1.2rem;align-items:center;padding:1.5rem 1.6rem;border-radius:16px;border:1px solid var(--line)}
.banner>svg{flex:none}
.banner p{margin:.3rem 0 0;max-width:48rem;overflow-wrap:anywhere}
.banner.ok{background:var(--ok-bg)}.banner.warning{background:var(--warn-bg)}.banner.critical{background:var(--crit-bg)}
.banner.unknown{background:var(--unk-bg)}
.icon.ok{fill:var(--ok)}.icon.warning{fill:var(--warn)}.icon.critical{fill:var(--crit)}.icon.unknown{fill:var(--unk)}
.icon{vertical-align:-.13em}
.pill{display:inline-flex;align-items:center;gap:.35rem;padding:.12rem .6rem .12rem .4rem;border-radius:99px;font-size:.82rem;
font-weight:600;white-space:nowrap}
.pill.ok{color:var(--ok);background:var(--ok-bg)}.pill.warning{color:var(--warn);background:var(--warn-bg)}
.pill.critical{color:var(--crit);background:var(--crit-bg)}.pill.unknown{color:var(--unk);background:var(--unk-bg)}
.stale{font-weight:600;color:var(--warn)}
.problems{list-style:none;margin:.8rem 0 0;padding:0;display:grid;gap:.8rem}
.problem p{margin:.3rem 0}
.problem{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--unk);border-radius:10px;
padding:.9rem 1.1rem;overflow-wrap:anywhere}
.problem.critical{border-left-color:var(--crit)}.problem.warning{border-left-color:var(--warn)}
.problem h3 a{color:inherit}
.brand{color:inherit;text-decoration:none}
.text h1,.text h2{margin-top:1.6rem}.text h2{font-size:1.1rem}.text p,.text li{max-width:48rem}
pre{background:var(--code);border-radius:8px;padding:.7rem .9rem;overflow-x:auto}pre code{background:none;padding:0;overflow-wrap:normal}
.problem h3{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.92rem}
.where,.effect,.age,.sub,.rel,.legend{color:var(--muted)}
.where,.effect,.age,.legend{font-size:.87rem}
.remedy{margin:.6rem 0}
.remedy span{font-size:.82rem;font-weight:600;margin-right:.3rem}
code{font:.86em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--code);
border-radius:5px;padding:.1em .38em;overflow-wrap:anywhere;
-webkit-box-decoration-break:clone;box-decoration-break:clone}
.sub{margin:.35rem 0 .9rem;overflow-wrap:anywhere}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.1rem 1.2rem;min-width:0}
.card h3{margin-bottom:.55rem}
.card>p{margin:.2rem 0 .6rem;color:var(--muted);font-size:.92rem}
.wide{margin-bottom:1rem}
.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem;margin-top:.9rem;align-items:start}
dl{margin:0;font-size:.93rem}
dl div{display:grid;grid-template-columns:7.6rem minmax(0,1fr);gap:.8rem;padding:.32rem 0;border-top:1px solid var(--soft)}
dl div:first-child{border-top:0}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 -.2rem;padding:0 .2rem}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;color:var(--muted);font-size:.87rem;padding:.5rem 0 .2rem}
th,td{text-align:left;vertical-align:top;padding:.4rem .9rem .4rem 0;border-top:1px solid var(--soft);font-weight:400}
.d,time,.rel{white-space:nowrap}
.broad{min-width:44rem}
thead th{color:var(--muted);font-size:.82rem;border-top:0;white-space:nowrap}
tbody th{font-weight:550}
tbody th code{white-space:nowrap}
td:last-child,th:last-child{padding-right:0}
.same{color:var(--ok)}.different{color:var(--crit);font-weight:650}
fieldset{border:0;margin:0;padding:0;min-width:0}
fieldset legend{float:left;font-weight:650;font-size:.98rem;padding:0;margin:0 1rem .8rem 0}
fieldset input{position:absolute;opacity:0;width:1px;height:1px}
fieldset label{display:inline-block;padding:.1rem .7rem;font-size:.85rem;border-radius:99px;color:var(--muted);cursor:pointer}
fieldset input:checked+label{background:var(--soft);color:var(--ink);font-weight:600}
fieldset input:focus-visible+label{outline:2px solid var(--issuing);outline-offset:1px}
.plot{display:none;clear:both}
.r0:checked~.p0,.r1:checked~.p1,.r2:checked~.p2{display:block}
.plot-svg{display:block;overflow:visible}
.plot-svg text{font-size:13px;fill:var(--ink)}
.plot-svg .label,.plot-svg .until,.join text{paint-order:stroke;stroke:var(--card);stroke-width:5px;stroke-linejoin:round}
.plot-svg .until,.plot-svg .date{fill:var(--muted)}
.plot-svg .until,.plot-svg .more{text-anchor:end}
.plot-svg .until.bad{fill:var(--crit);font-weight:700}
.plot-svg .date,.plot-svg text.now,.plot-svg text.end{text-anchor:middle;font-size:11.5px}
.track{fill:var(--soft)}
.bar.root{fill:var(--root)}.bar.issuing{fill:var(--issuing)}.bar.leaf,.bar.served{fill:var(--leaf)}.bar.crl{fill:var(--crl)}
.bar.past{opacity:.38}.bar.gone{fill:var(--crit)}
.plot-svg .more{font-size:17px;font-weight:700;fill:var(--card)}
.plot-svg line.axis{stroke:var(--line)}
.plot-svg line.now{stroke:var(--ink);stroke-width:1.5}
.plot-svg text.now{font-weight:650}
.plot-svg line.end{stroke:var(--warn);stroke-width:1.5;stroke-dasharray:4 3}
.plot-svg text.end{fill:var(--warn)}
.plot-svg line.tick{stroke:var(--ink);stroke-width:3;stroke-linecap:round}
.join path{fill:none;stroke-width:2}
.plot-svg .join text{font-size:12px}
.join.same path{stroke:var(--ok)}.join.different path{stroke:var(--crit)}
.plot-svg .join.same text{fill:var(--ok)}.plot-svg .join.different text{fill:var(--crit);font-weight:700}
.legend{display:flex;flex-wrap:wrap;align-items:center;gap:.2rem 1rem;margin:.5rem 0 0}
.k{display:inline-block;width:0;height:.95em;border-left:2px solid var(--ink);margin-right:.4rem;vertical-align:-.12em}
.k.tick{border-left-width:4px;border-radius:2px;height:.8em}
.k.end{border-left:2px dashed var(--warn)}
footer{color:var(--muted);font-size:.87rem;padding-bottom:2rem}
footer p{margin:.2rem 0}
@media (max-width:34rem){header,main,footer{padding-left:.8rem;padding-right:.8rem}.banner{padding:1.1rem;gap:.9rem;
align-items:flex-start}
.banner>svg{width:36px;height:36px}h1{font-size:1.35rem}.card{padding:.9rem .95rem}dl div{grid-template-columns:6.2rem minmax(0,
1fr);gap:.6rem}
.plot-svg text{font-size:12px}.plot-svg .date{font-size:10.5px}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--muted:#333;--line:#bbb;--soft:#e4e4e4;--code:#f4f4f4}
body{font-size:11pt}nav,fieldset label{display:none}.card,.problem,.banner,tr{break-inside:avoid}.bar,.track,.banner,.pill,
.icon{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

}  // namespace

std::string_view page_style() noexcept { return style; }

}  // namespace pgcertd::status
