#include "pgcertd/once.hpp"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <thread>

#include "pgcertd/clock.hpp"
#include "pgcertd/cluster_parts.hpp"
#include "pgcertd/crl_sources.hpp"
#include "pgcertd/host.hpp"
#include "pgcertd/issuers.hpp"
#include "store/state_lock.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;

// A rotation that must be rolled back takes 10 s and its reloads; a server that hangs has deadlines of its own.
constexpr auto longest_pass = 120s;

ClusterView pass(ClusterParts& parts) {
  const auto give_up = std::chrono::steady_clock::now() + longest_pass;
  for (bool full = true;; full = false) {
    engine::TickResult tick = parts.reconciler().tick(parts.desired(), wall_clock(), full);
    if (tick.at_rest || std::chrono::steady_clock::now() > give_up) return std::move(tick.view);
    if (const TimePoint now = wall_clock(); tick.wake_at > now) std::this_thread::sleep_for(tick.wake_at - now);
  }
}

void report(const ClusterView& view, LogSink& log) {
  for (const StandingProblem& p : view.problems)
    log.write({p.finding.severity == Severity::critical ? LogLevel::error : LogLevel::warning,
               fmt::format("{}: {}: {}{}", view.name, to_string(p.finding.code), p.finding.message, p.finding.remedy.empty() ? "" : " — " + p.finding.remedy),
               "problem-stands", {{"PGCERTD_CLUSTER", view.name}, {"PGCERTD_CODE", std::string{to_string(p.finding.code)}}}});
  log.write({LogLevel::notice, fmt::format("{}: {} ({}): {}", view.name, to_string(view.status), to_string(view.stage), view.next_step), "", {{"PGCERTD_CLUSTER", view.name}}});
}

int exit_code(Severity status) {
  switch (status) {
    case Severity::ok: return 0;
    case Severity::warning: return 1;
    case Severity::critical: return 2;
    case Severity::unknown: return 3;
  }
  return 3;
}

}  // namespace

Result<int> run_once(const Config& config, LogSink& log) {
  PGCERTD_CHECK(make_state_directory(config.daemon.state_directory));
  PGCERTD_TRY(const store::StateLock lock, store::lock_state(config.daemon.state_directory));
  std::map<std::string, std::unique_ptr<ports::Issuer>> issuers;
  for (const auto& [name, issuer] : config.issuers) issuers[name] = real_issuer(config, issuer);
  service::Heartbeats heartbeats;
  CrlSources crls(heartbeats, log, [] {});
  crls.fetch_all(config);
  Severity worst = Severity::ok;
  Claims claims;
  std::vector<std::unique_ptr<ClusterParts>> clusters;   // all, before any takes a server that another had
  for (const auto& [name, cluster] : config.clusters) {
    PGCERTD_TRY(auto parts, ClusterParts::make(config, desired_of(config, cluster, host_fqdn()), *issuers.at(cluster.issuer), log, [&crls] { return crls.all(); }, claims));
    clusters.push_back(std::move(parts));
  }
  for (const auto& parts : clusters) {
    const ClusterView view = pass(*parts);
    report(view, log);
    worst = worse(worst, view.status);
  }
  return exit_code(worst);
}

}  // namespace pgcertd::daemon
