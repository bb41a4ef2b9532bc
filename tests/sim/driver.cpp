#include "sim/driver.hpp"

namespace pgcertd::sim {

using namespace std::chrono_literals;

const fake::TestCa& ca() {
  static const fake::TestCa one = fake::TestCa::make(start - 24h, days{3650 * 2});
  return one;
}

Desired desired_default() {
  Desired desired;
  desired.cluster.name = "main";
  desired.cluster.conninfo = "host=/run/postgresql";
  desired.cluster.issuer = "local";
  desired.names = {{"db1.example.org"}, {"10.0.0.5"}};
  desired.cluster.names = desired.names;
  desired.check_interval = 60s;
  desired.runway_warning = days{60};
  desired.runway_critical = days{14};
  desired.own_uid = 998;
  return desired;
}

Outcome run_to_rest(fake::World& world, const Desired& desired, const std::optional<Where>& crash_at, const std::function<void(const std::string&)>& each_call, int most) {
  Outcome run;
  engine::TracedPorts traced(world.ports(), [&](const std::string& call, engine::CallPhase phase) -> std::optional<Error> {
    if (phase == engine::CallPhase::before) run.trace.push_back(call);
    if (phase == engine::CallPhase::after && each_call) each_call(call);
    if (crash_at && run.trace.size() == crash_at->call + 1 && phase == crash_at->phase) throw Crash{};
    return std::nullopt;
  });
  SilentLog log;
  engine::Reconciler reconciler(traced.ports(), log);
  try {
    for (int i = 0; i < most; ++i) {
      engine::TickResult tick = reconciler.tick(desired, world.now, i == 0);
      run.view = std::move(tick.view);
      run.rested = tick.at_rest;
      if (tick.at_rest) break;
      world.now = std::max(world.now + 1ms, tick.wake_at);
    }
  } catch (const Crash&) {
    run.crashed = true;
  }
  return run;
}

}  // namespace pgcertd::sim
