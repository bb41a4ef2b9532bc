#include "status/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "status/html.hpp"
#include "status/page_parts.hpp"
#include "status/view.hpp"

namespace pgcertd::status {
namespace {

using std::chrono::days;

constexpr int top = 22, row_height = 44, join_height = 18, axis_height = 26;

struct Window {
  TimePoint from{}, to{};
  // Position in per cent, clamped to the picture.
  [[nodiscard]] double at(TimePoint t) const {
    const double part = static_cast<double>((t - from).count()) / static_cast<double>((to - from).count());
    return std::clamp(part, 0.0, 1.0) * 100;
  }
  [[nodiscard]] bool holds(TimePoint t) const { return t >= from && t <= to; }
};

Bar bar_of(std::string kind, std::string label, const CertFacts& cert) {
  return {
      .kind = std::move(kind), .label = std::move(label), .serial = cert.serial, .from = cert.not_before, .until = cert.not_after};
}

Bar bar_of(std::string label, const CrlFacts& crl) {
  return {.kind = "crl", .label = std::move(label), .serial = crl.number, .from = crl.this_update, .until = crl.next_update};
}

Bar served_bar(const ServedView& view) {
  const ProbeSeen& probe = view.probe;
  const std::string label = "Served at " + probe.endpoint;
  if (probe.chain.empty())
    return {
        .kind = "served", .label = label, .missing = probe.detail.empty() ? std::string(to_string(probe.outcome)) : probe.detail};
  Bar bar = bar_of("served", label, probe.chain.front());
  bar.join = view.matches_file ? Bar::Join::same : Bar::Join::different;
  return bar;
}

// Everything that is drawn, with a margin; ends that are no ends stretch nothing.
Window whole(const std::vector<Bar>& rows, TimePoint now) {
  Window w{now - days{1}, now + days{30}};
  for (const Bar& bar : rows) {
    if (bar.from) w.from = std::min(w.from, *bar.from);
    if (bar.until && *bar.until < no_expiry) w.to = std::max(w.to, *bar.until);
  }
  const auto margin = (w.to - w.from) / 50;
  return {w.from - margin, w.to + margin};
}

std::string state_text(const Bar& bar, TimePoint now) {
  if (!bar.until) return bar.from ? "no end" : bar.missing;
  if (*bar.until < now) return fmt::format("EXPIRED {}", relative_text(*bar.until, now));
  if (bar.from && *bar.from > now) return fmt::format("not valid yet, {}", relative_text(*bar.from, now));
  if (*bar.until >= no_expiry) return "no end";
  return fmt::format("{} · {}", day_text(*bar.until), relative_text(*bar.until, now));
}

bool is_bad(const Bar& bar, TimePoint now) { return (bar.until && *bar.until < now) || (!bar.until && !bar.from); }

std::string label_svg(const Bar& bar, TimePoint now, int y) {
  return fmt::format("<text class=\"label\" x=\"0\" y=\"{0}\">{1}</text><text class=\"until{2}\" x=\"100%\" y=\"{0}\">{3}</text>\n",
                     y + 14, html(bar.label, 34), is_bad(bar, now) ? " bad" : "", html(state_text(bar, now), 48));
}

std::string bar_svg(const Bar& bar, const Window& w, TimePoint now, int y) {
  const bool bad = is_bad(bar, now);
  std::string out = fmt::format(R"(<rect class="track" x="0" y="{}" width="100%" height="10" rx="5"/>)", y + 22);
  if (!bar.from) return out + "\n";
  const TimePoint end = bar.until.value_or(no_expiry);
  const auto piece = [&](TimePoint a, TimePoint b, std::string_view part) {
    const double x = w.at(a), width = w.at(b) - x;
    if (width <= 0) return;
    out += fmt::format(R"(<rect class="bar {}{}{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="10"/>)", bar.kind, part,
                       bad ? " gone" : "", x, y + 22, width);
  };
  piece(*bar.from, std::min(end, now), " past");
  piece(std::max(*bar.from, now), end, "");
  if (end > w.to && *bar.from < w.to) out += fmt::format(R"(<text class="more" x="100%" dx="-4" y="{}">›</text>)", y + 32);
  if (bar.tick && w.holds(*bar.tick))
    out += fmt::format(R"(<line class="tick" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>)", w.at(*bar.tick), y + 18, y + 36);
  return out + "\n";
}

std::string join_svg(Bar::Join join, int y) {
  const bool same = join == Bar::Join::same;
  return fmt::format(R"(<g class="join {}"><path d="M5 {}v{}"/><text x="14" y="{}">{}</text></g>)", same ? "same" : "different",
                     y - 8, join_height + 4, y + 8, same ? "✓ same certificate" : "✗ DIFFERENT certificate");
}

std::string tick_text(TimePoint at, const Window& w) {
  static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::chrono::year_month_day date{std::chrono::floor<days>(at)};
  const auto span = w.to - w.from;
  const char* month = months.at(unsigned(date.month()) - 1);
  if (span < days{100}) return fmt::format("{} {}", unsigned(date.day()), month);
  if (span < days{365 * 4}) return fmt::format("{} {}", month, int(date.year()));
  return fmt::format("{}", int(date.year()));
}

std::string axis_svg(const Window& w, int y) {
  std::string out = fmt::format(R"(<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>)", y);
  for (const int part : {1, 3, 5, 7, 9}) {
    const TimePoint at = w.from + (w.to - w.from) * part / 10;
    out +=
        fmt::format(R"(<line class="axis" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/><text class="date" x="{0}%" y="{3}">{4}</text>)",
                    part * 10, y, y + 5, y + 19, tick_text(at, w));
  }
  return out + "\n";
}

std::string description(const std::vector<Bar>& rows, TimePoint now) {
  std::string out;
  for (const Bar& bar : rows) {
    out += bar.label + ": " + state_text(bar, now);
    if (bar.tick) out += ", renewal planned " + day_text(*bar.tick);
    if (bar.join != Bar::Join::none) out += bar.join == Bar::Join::same ? ", same as in the file" : ", DIFFERENT from the file";
    out += ". ";
  }
  return out;
}

std::string vertical(std::string_view kind, std::string_view label, TimePoint at, const Window& w, int bottom) {
  if (!w.holds(at)) return {};
  return fmt::format(
      R"(<line class="{0}" x1="{1:.2f}%" x2="{1:.2f}%" y1="16" y2="{2}"/><text class="{0}" x="{1:.2f}%" y="11">{3}</text>)", kind,
      w.at(at), bottom, label);
}

std::string picture(const std::vector<Bar>& rows, const Runway& runway, TimePoint now, const Window& w, const std::string& id) {
  int y = top;
  std::string body, labels;   // labels are drawn last: the vertical lines must not strike them through
  for (const Bar& bar : rows) {
    if (bar.join != Bar::Join::none) {
      labels += join_svg(bar.join, y);
      y += join_height - 4;
    }
    body += bar_svg(bar, w, now, y);
    labels += label_svg(bar, now, y);
    y += row_height;
  }
  body += axis_svg(w, y);
  if (runway.ends_at && *runway.ends_at < no_expiry) body += vertical("end", "runway ends", *runway.ends_at, w, y);
  body += vertical("now", "now", now, w, y);
  return fmt::format("<svg class=\"plot-svg\" width=\"100%\" height=\"{0}\" role=\"img\" aria-labelledby=\"{1}-t {1}-d\">"
                     "<title id=\"{1}-t\">Validity from {2} to {3}</title><desc id=\"{1}-d\">{4}</desc>\n{5}</svg>\n",
                     y + axis_height, id, day_text(w.from), day_text(w.to), html(description(rows, now), 4000), body + labels);
}

}  // namespace

std::vector<Bar> bars(const Snapshot& snapshot, const ClusterView& cluster) {
  std::vector<Bar> out;
  const IssuerView* issuer = issuer_of(snapshot, cluster);
  if (issuer && issuer->seen.root) out.push_back(bar_of("root", "Root CA", *issuer->seen.root));
  if (issuer && issuer->seen.issuing) {
    out.push_back(bar_of("issuing", "Issuing CA", *issuer->seen.issuing));
    out.back().tick = issuer->renew_at;
  }
  if (cluster.certificate) {
    out.push_back(bar_of("leaf", "Certificate in the file", cluster.certificate->leaf));
    out.back().tick = cluster.certificate->renew_at;
  } else {
    out.push_back({.kind = "leaf", .label = "Certificate in the file", .missing = "none"});
  }
  for (const ServedView& view : cluster.served) out.push_back(served_bar(view));
  if (issuer && issuer->seen.crl) out.push_back(bar_of("Revocation list (CRL)", *issuer->seen.crl));
  if (issuer && issuer->seen.root_crl) out.push_back(bar_of("Root's CRL", *issuer->seen.root_crl));
  return out;
}

std::string timeline_html(const std::vector<Bar>& rows, const Runway& runway, TimePoint now, std::size_t index) {
  struct Scale { const char* name; Window window; };
  const std::array scales{Scale{"30 days", {now - days{6}, now + days{30}}}, Scale{"1 year", {now - days{73}, now + days{365}}},
                          Scale{"All", whole(rows, now)}};
  std::string controls, plots;
  for (std::size_t i = 0; i < scales.size(); ++i) {
    const std::string id = fmt::format("t{}-{}", index, i);
    controls += fmt::format("<input type=\"radio\" class=\"r{}\" name=\"scale-{}\" id=\"{}\"{}><label for=\"{}\">{}</label>\n", i,
                            index, id, i == 1 ? " checked" : "", id, scales[i].name);
    plots += fmt::format("<div class=\"plot p{}\">{}</div>\n", i, picture(rows, runway, now, scales[i].window, id));
  }
  return "<fieldset class=\"timeline\"><legend>Validity</legend>\n" + controls + plots +
         "<p class=\"legend\"><span><span class=\"k now\"></span>now</span> <span><span class=\"k tick\"></span>planned "
         "renewal</span> "
         "<span><span class=\"k end\"></span>end of the runway</span></p>\n</fieldset>\n";
}

std::string timeline_table(const std::vector<Bar>& rows, TimePoint now, std::string_view name) {
  std::string out =
      "<table class=\"broad\"><caption>The same as a table</caption>\n<thead><tr>"
      "<th scope=\"col\">What</th><th scope=\"col\">Valid from</th><th scope=\"col\">Valid until</th>"
      "<th scope=\"col\">Renewal</th><th scope=\"col\">Serial or number</th></tr></thead>\n<tbody>\n";
  for (const Bar& bar : rows) {
    std::string note;
    if (bar.join == Bar::Join::same) note = " <span class=\"same\">✓ same</span>";
    if (bar.join == Bar::Join::different) note = " <span class=\"different\">✗ DIFFERENT</span>";
    const bool gone = bar.until && *bar.until < now;
    const std::string until = !bar.from ? html(bar.missing) : bar.until ? when(bar.until, now) : "no end";
    out += fmt::format(
        "<tr><th scope=\"row\">{}{}</th><td class=\"d\">{}</td><td>{}{}</td><td class=\"d\">{}</td><td>{}</td></tr>\n",
        html(bar.label), note, bar.from ? day_text(*bar.from) : "–", gone ? "<strong class=\"different\">expired</strong> " : "",
        until, bar.tick ? day_text(*bar.tick) : "–", bar.serial.empty() ? "–" : mono(bar.serial));
  }
  return scrolling(fmt::format("Validity of {} as a table", name), out + "</tbody></table>");
}

}  // namespace pgcertd::status
