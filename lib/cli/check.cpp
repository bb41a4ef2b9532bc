#include "cli/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/moments.hpp"
#include "core/finding.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

int plugin_code(Severity severity) noexcept {
  switch (severity) {
    case Severity::ok: return 0;
    case Severity::warning: return 1;
    case Severity::critical: return 2;
    case Severity::unknown: break;
  }
  return 3;
}

Severity severity_of(std::string_view word) noexcept {
  for (const Severity known : {Severity::ok, Severity::warning, Severity::critical})
    if (word == to_string(known)) return known;
  return Severity::unknown;
}

std::string_view plugin_word(Severity severity) noexcept {
  constexpr std::string_view words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
  return words[static_cast<std::size_t>(plugin_code(severity))];
}

// One line, and no bar: what follows a bar is read as perfdata.
std::string one_line(std::string_view text) {
  std::string out = printable(text, 300);
  std::replace(out.begin(), out.end(), '|', '/');
  return out;
}

struct Judgement {
  Severity severity = Severity::ok;
  std::string worst_words;  // of the worst so far
  std::size_t said = 0;

  void add(Severity how_bad, const std::string& words) {
    if (how_bad == Severity::ok) return;
    ++said;
    if (worst_words.empty() || (worse(severity, how_bad) == how_bad && severity != how_bad)) worst_words = words;
    severity = worse(severity, how_bad);
  }
};

void judge_problems(Judgement& judgement, const json& owner, const std::string& name, const CheckOptions& options) {
  for (const json& problem : array_at(owner, "problems")) {
    const std::string code = text_at(problem, "code");
    const bool asked = options.only.empty() || std::find(options.only.begin(), options.only.end(), code) != options.only.end();
    if (!asked) continue;
    const std::string message = text_at(problem, "message");
    judgement.add(severity_of(text_at(problem, "severity")),
                  fmt::format("{}{}: {}", name.empty() ? "" : name + ": ", code, message));
  }
}

void judge_time_left(Judgement& judgement, const json& cluster, const CheckOptions& options, TimePoint now) {
  if (!options.warning && !options.critical) return;
  const std::string name = text_at(cluster, "name");
  const auto end = served_end(cluster);
  if (!end) return judgement.add(Severity::unknown, name + ": no certificate is known, so no time is left to compare");
  const bool critical = options.critical && *end - now < *options.critical;
  const bool warning = options.warning && *end - now < *options.warning;
  if (critical || warning)
    judgement.add(critical ? Severity::critical : Severity::warning,
                  fmt::format("{}: certificate ends {}", name, moment_text(end, now)));
}

std::string seconds_of(const std::optional<Duration>& duration) {
  return duration ? fmt::format("{}:", std::chrono::duration_cast<std::chrono::seconds>(*duration).count()) : std::string{};
}

std::string perfdata(const json& cluster, const CheckOptions& options, TimePoint now) {
  const std::string name = one_line(text_at(cluster, "name"));
  const auto left = [&](const std::optional<TimePoint>& end) {
    return end ? std::to_string(to_unix(*end) - to_unix(now)) + "s" : "U";
  };
  std::string out = fmt::format(" '{}_certificate_left'={};{};{}", name, left(served_end(cluster)), seconds_of(options.warning),
                                seconds_of(options.critical));
  out += fmt::format(" '{}_runway'={}", name, left(time_at(at(cluster, "runway"), "ends_at")));
  out += fmt::format(" '{}_problems'={};;;0", name, array_at(cluster, "problems").size());
  return out;
}

std::string fine_words(const json& cluster, TimePoint now) {
  const auto end = served_end(cluster);
  const std::string until = end ? "certificate ends " + moment_text(end, now) : "no certificate";
  return text_at(cluster, "name") + ": " + until;
}

// Where no problem explains a status that is not ok, the status itself still counts.
void judge_status(Judgement& judgement, const json& owner, const std::string& name, const CheckOptions& options) {
  const Severity severity = severity_of(text_at(owner, "status"));
  if (!options.only.empty() || severity == Severity::ok || worse(judgement.severity, severity) == judgement.severity) return;
  judgement.add(severity, fmt::format("{}: status {}", name, text_at(owner, "status")));
}

struct Summary {
  Judgement judgement;
  std::string fine;
  std::string numbers;
  std::size_t clusters = 0;
};

Summary judge(const json& status, const CheckOptions& options, TimePoint now) {
  Summary summary;
  for (const json& cluster : array_at(status, "clusters")) {
    const std::string name = text_at(cluster, "name");
    if (!options.cluster.empty() && name != options.cluster) continue;
    ++summary.clusters;
    judge_problems(summary.judgement, cluster, name, options);
    judge_time_left(summary.judgement, cluster, options, now);
    judge_status(summary.judgement, cluster, name, options);
    summary.fine += (summary.fine.empty() ? "" : "; ") + fine_words(cluster, now);
    summary.numbers += perfdata(cluster, options, now);
  }
  judge_problems(summary.judgement, status, {}, options);
  for (const json& issuer : array_at(status, "issuers"))
    judge_problems(summary.judgement, issuer, text_at(issuer, "name"), options);
  if (options.cluster.empty()) judge_status(summary.judgement, status, "pgcertd", options);
  return summary;
}

}  // namespace

CheckResult check_unknown(std::string_view reason) { return {3, "PGCERTD UNKNOWN - " + one_line(reason)}; }

std::string check_text(const CheckResult& result, bool as_json) {
  return (as_json ? json{{"exit_code", result.exit_code}, {"line", result.line}}.dump(2, ' ', false, json::error_handler_t::replace) : result.line) + "\n";
}

CheckResult check(const json& status, const CheckOptions& options, TimePoint now) {
  const auto made = time_at(status, "generated_at");
  if (!made || number_at(status, "schema") != 1)
    return check_unknown("the answer is not a status of pgcertd that this program knows");
  if (options.stale_after.count() > 0 && now - *made > options.stale_after)
    return check_unknown(fmt::format("the status is of {}: the daemon has looked at nothing since", moment_text(made, now)));
  const Summary summary = judge(status, options, now);
  if (summary.clusters == 0)
    return check_unknown(options.cluster.empty() ? "no cluster is configured" : "there is no cluster \"" + options.cluster + "\"");
  const Judgement& judgement = summary.judgement;
  std::string words = judgement.said == 0 ? summary.fine : judgement.worst_words;
  words = with_relative_times(one_line(words), now);
  if (judgement.said > 1) words += fmt::format(" (and {} more)", judgement.said - 1);
  return {plugin_code(judgement.severity),
          fmt::format("PGCERTD {} - {} |{}", plugin_word(judgement.severity), words, summary.numbers)};
}

}  // namespace pgcertd::cli
