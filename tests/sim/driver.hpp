// Drives a Reconciler over a World: ticks, moves the clock, crashes it at a named call.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/reconciler.hpp"
#include "engine/traced_ports.hpp"
#include "fake/world.hpp"

namespace pgcertd::sim {

// The simulated hosts begin here, with one CA that lives longer than any of them.
const TimePoint start = from_unix(1'767'225'600);   // 2026-01-01
const fake::TestCa& ca();

struct Crash {};   // thrown out of a port call: the daemon dies there

struct SilentLog final : LogSink {
  void write(const LogRecord&) noexcept override {}
};

// The wish that the simulated configuration expresses: 90 d, renewal at two thirds.
Desired desired_default();

struct Outcome {
  bool crashed = false;
  bool rested = false;
  ClusterView view;
  std::vector<std::string> trace;    // each port call, in order
};

struct Where {
  std::size_t call = 0;              // the how-many-th call of the trace
  engine::CallPhase phase = engine::CallPhase::before;
};

// A fresh daemon over the world, until it rests, crashes or has made `most` ticks. The clock moves to each wake-up that is
// not a rest. `each_call` is asked after every port call (invariants).
Outcome run_to_rest(fake::World& world, const Desired& desired, const std::optional<Where>& crash_at = std::nullopt,
                const std::function<void(const std::string&)>& each_call = {}, int most = 2000);

}  // namespace pgcertd::sim
