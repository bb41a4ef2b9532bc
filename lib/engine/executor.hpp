// Executor: takes one step of a plan. Re-checks the precondition, makes its intent durable where the way back depends on
// it, acts, and says what happened as events and as a changed memory. One thread: the cluster's worker.
#pragma once

#include <vector>

#include "core/observation.hpp"
#include "core/plan.hpp"
#include "engine/ports.hpp"

namespace pgcertd::engine {

struct Outcome {
  Result<void> result;
  std::vector<Event> events;
};

class Executor {
 public:
  explicit Executor(ClusterPorts ports) : ports_(std::move(ports)) {}

  // `memory` is changed to what is now true; the caller saves it with the events. On failure the memory says so too.
  Outcome run(const Action& action, const Desired& desired, const Observation& seen, ClusterMemory& memory, TimePoint now);

 private:
  ClusterPorts ports_;
};

}  // namespace pgcertd::engine
