#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/layout.hpp"
#include "cli/moments.hpp"
#include "cli/table.hpp"
#include "cli/views.hpp"
#include "core/audit.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

constexpr std::size_t indent = 2;

std::string named(std::string_view what, const std::string& text) { return text.empty() ? "" : paragraph(fmt::format("{}: {}", what, printable(text, 1000)), 2 * indent); }

std::string finding_text(const json& finding, TimePoint now, const Style& style) {
  const std::string word = text_at(finding, "code"), severity = text_at(finding, "severity");
  const auto code = parse_problem_code(word);
  std::string out = fmt::format("{} {}\n", style.paint(severity_tone(severity), printable(severity, 16)), style.paint(Tone::strong, printable(word, 40)));
  out += paragraph(with_relative_times(printable(text_at(finding, "message"), 1000), now), indent);
  if (code) out += named("effect", std::string{row(*code).effect});
  return out + named("remedy", text_at(finding, "remedy"));
}

bool is_wrong(const json& file) { return text_at(file, "verdict") != to_string(FileVerdict::ok); }

bool is_reachable(const json& cluster) { return flag_at(at(cluster, "server"), "reachable", true); }

bool holds(const json& findings, ProblemCode code) {
  return std::any_of(findings.begin(), findings.end(), [&](const json& one) { return text_at(one, "code") == to_string(code); });
}

// A server that answered the first question and not the rest has no problem of its own yet: its next look says what is wrong.
bool was_not_asked(const json& cluster, const json& findings) {
  const bool unread = !is_reachable(cluster) || (cluster.contains("sessions") && at(cluster, "sessions").is_null());
  return unread && !holds(findings, ProblemCode::server_unreachable) && !holds(findings, ProblemCode::privilege_missing);
}

json not_asked() {
  return {{"code", to_string(ProblemCode::server_unreachable)}, {"severity", to_string(Severity::warning)},
          {"message", "PostgreSQL did not answer what it was asked about its settings, pg_hba.conf and sessions"}, {"remedy", "audit it again; pgcertctl status tells what stands in the way"}};
}

}  // namespace

json audit_findings(const json& reply) {
  const json& cluster = cluster_of(reply);
  json out = json::array();
  for (const json& problem : array_at(cluster, "problems"))
    if (const auto code = parse_problem_code(text_at(problem, "code")); code && is_audit_code(*code)) out.push_back(problem);
  if (was_not_asked(cluster, out)) out.push_back(not_asked());
  return out;
}

std::string audit_view(const std::string& cluster, const json& findings, TimePoint now, const Style& style) {
  const std::string name = style.paint(Tone::strong, printable(cluster, 63));
  if (findings.empty()) return fmt::format("{}: nothing to object to\n", name);
  const bool blind = holds(findings, ProblemCode::server_unreachable);
  std::string out = blind ? fmt::format("{}: could not be looked at; settings, pg_hba.conf and sessions are not judged\n", name) : fmt::format("{}: {} finding(s)\n", name, findings.size());
  for (const json& finding : findings) out += "\n" + finding_text(finding, now, style);
  return out;
}

bool permissions_object(const json& files) { return files.empty() || std::any_of(files.begin(), files.end(), is_wrong); }

std::string permissions_view(const std::string& cluster, const json& files, const Style& style) {
  std::string out = style.paint(Tone::strong, printable(cluster, 63)) + "\n";
  if (files.empty()) return out + paragraph("could not be looked at: which files and which user it is, only PostgreSQL can tell, and it was never seen", indent) + named("remedy", fmt::format("start it; pgcertctl status {} tells what stands in the way", cluster));
  Table table({"FILE", "EXPECTED", "ACTUAL", "VERDICT"}, indent);
  for (const json& file : files)
    table.add({Cell(text_at(file, "path")), Cell(text_at(file, "expected")), Cell(text_at(file, "actual")),
               Cell(text_at(file, "verdict"), is_wrong(file) ? Tone::critical : Tone::good)});
  out += table.render(style);
  for (const json& file : files)
    if (is_wrong(file)) out += named(flag_at(file, "repaired_by_pgcertd") ? "pgcertd repairs it where it may; by hand" : "to do", text_at(file, "remedy"));
  return out;
}

}  // namespace pgcertd::cli
