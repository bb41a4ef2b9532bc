#include <fmt/format.h>

#include "status/html.hpp"
#include "status/page_parts.hpp"
#include "status/timeline.hpp"
#include "status/view.hpp"

namespace pgcertd::status {
namespace {

std::string card(std::string_view title, const std::string& body) {
  return fmt::format("<div class=\"card\"><h3>{}</h3>\n{}</div>\n", title, body);
}

std::string facts(const std::string& rows) { return "<dl>\n" + rows + "</dl>\n"; }

std::string server_line(const PostgresSeen& s) {
  std::string out = s.version.empty() ? "PostgreSQL" : "PostgreSQL " + html(s.version, 40);
  if (!s.reachable()) out += " · <strong class=\"different\">does not answer</strong>";
  if (s.known) out += s.ssl_on() ? " · TLS on" : " · <strong class=\"different\">TLS off</strong>";
  if (!s.data_directory.empty()) out += " · " + mono(s.data_directory);
  return out;
}

std::string certificate_facts(const std::optional<CertificateView>& certificate, TimePoint now) {
  if (!certificate) return "<p>There is no certificate yet.</p>\n";
  const CertificateView& v = *certificate;
  std::string names;
  for (const std::string& n : all_names(v.leaf.names)) names += (names.empty() ? "" : ", ") + html(n);
  return facts(fact("Names", names.empty() ? "–" : names) + fact("Subject", html(v.leaf.subject)) +
               fact("Issued by", html(v.leaf.issuer)) + fact("Key", html(v.leaf.key_name)) +
               fact("Valid until", when(v.leaf.not_after, now)) + fact("Renewal", when(v.renew_at, now)) +
               fact("Serial", mono(v.leaf.serial)) + fact("SHA-256", mono(v.leaf.fingerprint_sha256)) + fact("File", mono(v.path)));
}

std::string history(const ClusterMemory& m) {
  return fmt::format("{} proved, {} failed, {} rolled back", m.rotations_proved, m.rotations_failed, m.rotations_rolled_back);
}

std::string stage_times(const std::vector<StagePassed>& stages, TimePoint now) {
  if (stages.empty()) return {};
  std::string rows;
  for (const StagePassed& passed : stages) {
    const double after = static_cast<double>((passed.at - stages.front().at).count()) / 1000;
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>+{:.2f} s</td></tr>\n", html(passed.stage, 20), after);
  }
  return fmt::format("<table><caption>Stages of the newest rotation, begun {}</caption>\n<thead><tr><th scope=\"col\">Stage</th><th scope=\"col\">Passed after"
                     "</th></tr></thead>\n<tbody>\n{}</tbody></table>\n", when(stages.front().at, now), rows);
}

std::string rotation_facts(const ClusterView& c, TimePoint now) {
  const ClusterMemory& m = c.memory;
  std::string rows = fact("Stage", fmt::format("<strong>{}</strong>", to_string(c.stage)));
  rows += fact("Need", std::string(to_string(c.need)));
  rows += fact("Next", c.next_step.empty() ? "wait" : html(c.next_step));
  rows += fact("Next look", when(known(c.next_at), now));
  if (m.pause) rows += fact("Paused until", when(m.pause->until, now) + " " + html(m.pause->reason));
  rows += fact("Generation", fmt::format("{} {}", c.generation, c.generation_id.empty() ? "" : mono(c.generation_id)));
  rows += fact("Last proved", when(m.last_success_at, now));
  if (m.last_rotation_took)
    rows += fact("It took", fmt::format("{:.2f} s", static_cast<double>(m.last_rotation_took->count()) / 1000));
  rows += fact("So far", history(m));
  if (m.last_failure)
    rows += fact("Last failure", fmt::format("<strong class=\"different\">{}</strong>: {} {}", html(m.last_failure->stage),
                                             html(m.last_failure->message), when(m.last_failure->at, now)));
  if (m.retry_at) rows += fact("Next try", when(m.retry_at, now));
  return facts(rows) + stage_times(m.stages_passed, now);
}

std::string runway_facts(const Runway& r, TimePoint now) {
  if (!r.ends_at) return "<p>Not known yet.</p>\n";
  std::string limit(to_string(r.limited_by));
  if (r.limited_by == RunwayLimit::issuing_ca) limit = "the issuing CA's end";
  if (r.limited_by == RunwayLimit::root_ca) limit = "the root CA's end";
  if (r.limited_by == RunwayLimit::root_crl) limit = "the root's CRL";
  if (r.limited_by == RunwayLimit::leaf) limit = "the certificate's own end";
  return "<p>How long this host survives if the root's key is never used again.</p>\n" +
         facts(fact("Ends", when(r.ends_at, now)) + fact("Limited by", limit) + fact("Root wanted", when(r.needed_at, now)));
}

std::string file_row(const FileJudgement& file) {
  const bool ok = file.verdict == FileVerdict::ok;
  const std::string name = file.ours ? file.path.substr(file.path.rfind('/') + 1) : file.path;
  const std::string verdict = fmt::format("{}{}", ok ? "✓ " : "✗ ", to_string(file.verdict));
  const std::string remedy = file.remedy.empty() ? "" : "<br>" + mono(file.remedy);
  return fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td><span class=\"{}\">{}</span>{}</td></tr>\n", mono(name), html(file.expected),
                     html(file.actual), ok ? "same" : "different", verdict, remedy);
}

std::string permissions(const ClusterView& c) {
  if (c.permissions.empty()) return "<p>Nothing to judge yet: the server's user is not known, or its settings name no file.</p>\n";
  std::string rows;
  for (const FileJudgement& file : c.permissions) rows += file_row(file);
  return scrolling("Permissions of " + c.name, "<table><thead><tr><th scope=\"col\">File</th>"
         "<th scope=\"col\">Expected</th><th scope=\"col\">Actual</th><th scope=\"col\">Verdict</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody></table>");
}

std::string_view transport(const SessionGroup& g) { return !g.tcp ? "Unix socket" : g.loopback ? "loopback" : "network"; }

std::string session_row(const SessionGroup& g) {
  const bool bare = g.tcp && !g.loopback && g.tls_version.empty();
  const std::string tls = g.tls_version.empty() ? (g.tcp ? "plaintext" : "none needed") : html(g.tls_version + " " + g.cipher, 80);
  return fmt::format("<tr><th scope=\"row\">{}</th><td{}>{}{}</td><td>{}</td><td>{}</td></tr>\n", transport(g), bare ? " class=\"different\"" : "", bare ? "✗ " : "", tls, g.count,
                     g.before_rotation == 0 ? "–" : std::to_string(g.before_rotation));
}

std::string sessions(const ClusterView& c) {
  if (!c.sessions) return "<p>Not known: the server does not answer, or the role may see only its own session.</p>\n";
  if (c.sessions->empty()) return "<p>Nobody is connected.</p>\n";
  std::string rows;
  for (const SessionGroup& group : *c.sessions) rows += session_row(group);
  const std::string certified = fmt::format("<p>{} with a client certificate{}.</p>\n", c.client_certificate_sessions,
                                            c.revoked_sessions == 0 ? "" : fmt::format(", <strong class=\"different\">✗ {} of them revoked since</strong>", c.revoked_sessions));
  return scrolling("Sessions of " + c.name, "<table><thead><tr><th scope=\"col\">From</th><th scope=\"col\">TLS</th>"
         "<th scope=\"col\">Sessions</th><th scope=\"col\">Older than the certificate</th></tr></thead>\n<tbody>\n" + rows + "</tbody></table>") + certified;
}

std::string endpoint_row(const ServedView& v, TimePoint now) {
  const ProbeSeen& p = v.probe;
  const bool ok = p.outcome == ProbeOutcome::served && v.verify == "ok";
  const std::string verdict = v.verify.empty() || p.outcome != ProbeOutcome::served
                                  ? html(p.detail.empty() ? to_string(p.outcome) : std::string_view(p.detail))
                                  : html(v.verify);
  return fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"{}\">{}{}</td><td>{}</td></tr>\n", mono(p.endpoint),
                     p.tls_version.empty() ? "–" : html(p.tls_version + " " + p.cipher), ok ? "same" : "different",
                     ok ? "✓ " : "✗ ", verdict, known(p.probed_at) ? relative_text(p.probed_at, now) : "–");
}

std::string endpoints(const std::vector<ServedView>& served, const std::string& whose, TimePoint now) {
  if (served.empty()) return "<p>No endpoint has been probed: the server listens on no TCP address, or is down.</p>\n";
  std::string rows;
  for (const ServedView& v : served) rows += endpoint_row(v, now);
  return scrolling("Handshakes of " + whose, "<table><thead><tr><th scope=\"col\">Endpoint</th>"
         "<th scope=\"col\">TLS</th><th scope=\"col\">Verify</th><th scope=\"col\">Probed</th></tr></thead>\n<tbody>\n" +
         rows + "</tbody></table>");
}

}  // namespace

std::string scrolling(std::string_view label, const std::string& table) {
  return fmt::format("<section class=\"scroll\" tabindex=\"0\" aria-label=\"{}\">{}</section>\n", html(label, 100), table);
}

std::string cluster_section(const Snapshot& snapshot, const ClusterView& c, TimePoint now, std::size_t index) {
  const std::vector<Bar> rows = bars(snapshot, c);
  std::string out = fmt::format(
      "<section class=\"cluster\" aria-labelledby=\"c{0}\">\n<div class=\"head\"><h2 id=\"c{0}\">Cluster {1}</h2>{2}</div>\n",
      index, html(c.name, 63), pill(c.status));
  out += fmt::format("<p class=\"sub\">{}</p>\n", server_line(c.server));
  out += "<div class=\"card wide\">" + timeline_html(rows, c.runway, now, index) + timeline_table(rows, now, c.name) +
         "</div>\n<div class=\"grid\">\n";
  out += card("Certificate in the file", certificate_facts(c.certificate, now)) + card("Rotation", rotation_facts(c, now)) +
         card("Handshakes", endpoints(c.served, c.name, now)) + card("Sessions", sessions(c)) + card("Permissions", permissions(c)) + card("Runway", runway_facts(c.runway, now));
  out += fmt::format("</div>\n<p class=\"age\">Seen {}</p>\n</section>\n", when(known(c.seen_at), now));
  return out;
}

std::string issuer_section(const Snapshot& snapshot, const IssuerView& i, TimePoint now) {
  const IssuerSeen& seen = i.seen;
  std::string rows = fact("Type", std::string(type_name(i.type)));
  rows += fact("Ready", seen.available ? "yes" : "<strong class=\"different\">no</strong> " + html(seen.why));
  rows += fact("Signing key", seen.key_available ? "on this host" : "not on this host");
  if (seen.issuing)
    rows += fact("Issuing CA", html(seen.issuing->subject)) + fact("Valid until", when(seen.issuing->not_after, now)) +
            fact("Renewal", when(i.renew_at, now));
  if (seen.root)
    rows += fact("Root until", when(seen.root->not_after, now)) + fact("Root SHA-256", mono(seen.root->fingerprint_sha256));
  if (seen.crl)
    rows += fact("CRL", fmt::format("number {}, {} revoked, until {}", html(seen.crl->number, 60), seen.crl->revoked,
                                    when(seen.crl->next_update, now)));
  rows += fact("Registry", fmt::format("{} issued, {} revoked", seen.issued, seen.revoked));
  rows += fact("Waiting requests", fmt::format("{}", pending_of(snapshot, i).size()));
  return card("Issuer " + html(seen.name, 63), facts(rows));
}

std::string listener_section(const ListenerView& listener, TimePoint now) {
  return "<section aria-labelledby=\"listener\">\n<h2 id=\"listener\">This page over TLS</h2>\n<div class=\"grid\">\n" +
         card("Certificate of the HTTP listener", listener.certificate ? certificate_facts(listener.certificate, now)
                                                                       : "<p>It serves one that it made itself, until the issuer has given out one.</p>\n") +
         card("Its handshakes", endpoints(listener.served, "the HTTP listener", now)) + "</div>\n</section>\n";
}

}  // namespace pgcertd::status
