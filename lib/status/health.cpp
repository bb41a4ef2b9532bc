#include "status/health.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace pgcertd::status {
namespace {

using json = nlohmann::ordered_json;

std::string_view health_word(Severity severity, bool fail_on_warn) {
  if (severity == Severity::ok) return "pass";
  return severity == Severity::warning && !fail_on_warn ? "warn" : "fail";
}

std::string output(const ClusterView& cluster) {
  std::string out;
  for (const StandingProblem& p : cluster.problems)
    out += (out.empty() ? "" : "; ") + std::string(to_string(p.finding.code)) + ": " + p.finding.message;
  return printable(out, 2048);
}

json check(const ClusterView& cluster, bool fail_on_warn) {
  json out{{"componentType", "datastore"}, {"status", health_word(cluster.status, fail_on_warn)}};
  if (cluster.seen_at != TimePoint{}) out["time"] = to_rfc3339(cluster.seen_at);
  if (!cluster.problems.empty()) out["output"] = output(cluster);
  return json::array({std::move(out)});
}

}  // namespace

std::optional<Health> health(const Snapshot& snapshot, const BuildInfo& build, const std::string& cluster, bool fail_on_warn) {
  const ClusterView* only = cluster.empty() ? nullptr : snapshot.cluster(cluster);
  if (!cluster.empty() && !only) return std::nullopt;
  const Severity severity = only ? only->status : snapshot.status;
  json checks = json::object();
  for (const ClusterView& view : snapshot.clusters)
    if (!only || only == &view) checks["cluster:" + printable(view.name)] = check(view, fail_on_warn);
  const std::string_view status = health_word(severity, fail_on_warn);
  const json body{{"status", status}, {"version", "1"}, {"releaseId", printable(build.version)}, {"checks", std::move(checks)}};
  return Health{status != "fail", body.dump(2, ' ', false, json::error_handler_t::replace) + "\n"};
}

}  // namespace pgcertd::status
