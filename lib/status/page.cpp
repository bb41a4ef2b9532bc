#include "status/page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "status/html.hpp"
#include "status/page_parts.hpp"
#include "status/view.hpp"

namespace pgcertd::status {
namespace {

using std::chrono::minutes;

struct Told {
  std::string where;           // "cluster main", "issuer local", "the daemon"
  const StandingProblem* problem;
};

int rank(Severity s) { return s == Severity::critical ? 0 : s == Severity::unknown ? 1 : s == Severity::warning ? 2 : 3; }

// The worst first, and of equals the oldest.
std::vector<Told> problems_of(const Snapshot& s) {
  std::vector<Told> out;
  const auto add = [&](const std::string& where, const std::vector<StandingProblem>& list) {
    for (const StandingProblem& p : list) out.push_back({where, &p});
  };
  for (const ClusterView& c : s.clusters) add("cluster " + c.name, c.problems);
  for (const IssuerView& i : s.issuers) add("issuer " + i.seen.name, i.problems);
  if (s.listener) add("the HTTP listener", s.listener->problems);
  add("the daemon", s.problems);
  std::stable_sort(out.begin(), out.end(), [](const Told& a, const Told& b) {
    const int left = rank(a.problem->finding.severity), right = rank(b.problem->finding.severity);
    return left != right ? left < right : a.problem->since < b.problem->since;
  });
  return out;
}

std::string counts(const std::vector<Told>& problems) {
  std::uint64_t critical = 0, other = 0;
  for (const Told& t : problems) ++(t.problem->finding.severity == Severity::critical ? critical : other);
  if (critical == 0) return plural(other, "warning");
  const std::string text = plural(critical, "critical problem");
  return other == 0 ? text : text + " and " + plural(other, "warning");
}

const ClusterView* next_renewal(const Snapshot& s) {
  const ClusterView* first = nullptr;
  for (const ClusterView& c : s.clusters)
    if (next_attempt(c) && (!first || *next_attempt(c) < *next_attempt(*first))) first = &c;
  return first;
}

std::string problem_card(const Told& told, TimePoint now) {
  const Finding& f = told.problem->finding;
  std::string out =
      fmt::format("<li class=\"problem {0}\"><div class=\"head\">{1}<h3><a href=\"/problems/{2}\">{2}</a></h3><span class=\"where\">{3}</span></div>\n<p>{4}</p>\n",
                  to_string(f.severity), pill(f.severity), to_string(f.code), html(told.where, 80), html(f.message, 1000));
  if (!row(f.code).effect.empty()) out += fmt::format("<p class=\"effect\">What clients feel: {}.</p>\n", html(row(f.code).effect));
  if (!f.remedy.empty()) out += fmt::format("<p class=\"remedy\"><span>Remedy</span> <code>{}</code></p>\n", html(f.remedy, 1000));
  return out + fmt::format("<p class=\"age\">Stands since {}</p></li>\n", when(known(told.problem->since), now));
}

std::string problem_list(const std::vector<Told>& problems, TimePoint now) {
  if (problems.empty()) return {};
  std::string out = "<section aria-labelledby=\"problems\">\n<h2 id=\"problems\">Problems</h2>\n<ol class=\"problems\">\n";
  for (const Told& told : problems) out += problem_card(told, now);
  return out + "</ol>\n</section>\n";
}

std::string favicon(Severity s) {
  const char* colour = s == Severity::ok         ? "1f7a4d"
                       : s == Severity::warning  ? "946200"
                       : s == Severity::critical ? "b3261e"
                                                 : "5b5f8a";
  return fmt::format(
      "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 16 16%22%3E"
      "%3Ccircle cx=%228%22 cy=%228%22 r=%227%22 fill=%22%23{}%22/%3E%3C/svg%3E\">\n",
      colour);
}

constexpr std::string_view banner_of_all_pages =
    "<header><a class=\"brand\" href=\"/\"><svg width=\"26\" height=\"26\" viewBox=\"0 0 24 24\" aria-hidden=\"true\" focusable=\"false\">"
    "<path d=\"M12 1.5 3.5 4.6v6.3c0 5.4 3.5 9.6 8.5 11.6 5-2 8.5-6.2 8.5-11.6V4.6z\"/><path class=\"sign\" d=\"M8 12l2.8 2.8L16 "
    "9.4\"/></svg>"
    "pgcertd</a><nav aria-label=\"Other views\"><a href=\"/v1/status\">JSON</a><a href=\"/metrics\">Metrics</a>"
    "<a href=\"/health\">Health</a><a href=\"/v1/events\">Events</a><a href=\"/problems\">Problems</a><a href=\"/openapi.json\">API</a></nav></header>\n";

}  // namespace

std::string_view masthead() noexcept { return banner_of_all_pages; }

std::string page_head(std::string_view title, std::string_view icon) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light "
         "dark\">\n" +
         fmt::format("<title>{} · pgcertd</title>\n", html(title, 80)) + std::string(icon) + "<style>\n" + std::string(page_style()) + "</style>\n</head>\n";
}

namespace {

std::string banner(const Snapshot& s, TimePoint now) {
  std::string out =
      fmt::format("<section class=\"banner {}\" aria-labelledby=\"state\">{}<div><h1 id=\"state\">{}</h1>\n<p>{}</p>\n",
                  to_string(s.status), icon(s.status, 56), word(s.status), html(sentence(s, now), 1200));
  if (now - s.generated_at > minutes{10})
    out += fmt::format("<p class=\"stale\">This picture is old: it was taken {}.</p>\n", relative_text(s.generated_at, now));
  return out + "</div></section>\n";
}

}  // namespace

std::string sentence(const Snapshot& s, TimePoint now) {
  const std::vector<Told> problems = problems_of(s);
  if (!problems.empty()) {
    const bool one = problems.size() == 1;
    return fmt::format("{} {}{} in {}: {}", counts(problems), one ? "stands" : "stand", one ? "," : ". Most pressing,",
                       problems.front().where, problems.front().problem->finding.message);
  }
  if (!s.first_pass_done) return "The first look at the clusters is not finished yet.";
  if (s.clusters.empty()) return "No cluster is configured yet.";
  if (s.status != Severity::ok) return "Nothing is known to be wrong, but not everything could be looked at.";
  std::string out =
      s.clusters.size() == 1
          ? fmt::format("PostgreSQL cluster {} serves the certificate it should, proved by a handshake.", s.clusters.front().name)
          : fmt::format("All {} PostgreSQL clusters serve the certificate they should, proved by handshakes.", s.clusters.size());
  if (const ClusterView* next = next_renewal(s))
    out += fmt::format(" The next renewal{} is planned {}.", s.clusters.size() == 1 ? "" : " (" + next->name + ")",
                       relative_text(*next_attempt(*next), now));
  return out;
}

std::string page_html(const Snapshot& snapshot, const BuildInfo& build, TimePoint now) {
  std::string out = page_head(word(snapshot.status), favicon(snapshot.status)) + "<body>\n" + std::string(masthead()) + "<main>\n" + banner(snapshot, now);
  out += problem_list(problems_of(snapshot), now);
  for (std::size_t i = 0; i < snapshot.clusters.size(); ++i) out += cluster_section(snapshot, snapshot.clusters[i], now, i);
  if (!snapshot.issuers.empty()) {
    out += "<section aria-labelledby=\"issuers\">\n<h2 id=\"issuers\">Issuers</h2>\n<div class=\"grid\">\n";
    for (const IssuerView& issuer : snapshot.issuers) out += issuer_section(snapshot, issuer, now);
    out += "</div>\n</section>\n";
  }
  if (snapshot.listener) out += listener_section(*snapshot.listener, now);
  out += fmt::format(
      "</main>\n<footer><p>Picture {} taken {}</p>\n<p>pgcertd {}. This page changes nothing and holds no "
      "secret.</p></footer>\n</body>\n</html>\n",
      snapshot.version, when(known(snapshot.generated_at), now), html(build.version, 60));
  return out;
}

}  // namespace pgcertd::status
