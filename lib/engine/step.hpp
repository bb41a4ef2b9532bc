// Step: one action of one tick while it is carried out, and what the actions share. Private to the executor's files.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/plan.hpp"
#include "engine/ports.hpp"

namespace pgcertd::engine {

struct Step {
  ClusterPorts& ports;
  const Desired& desired;
  const Observation& seen;
  ClusterMemory& memory;
  TimePoint now;
  std::vector<Event> events;

  void say(std::string kind, std::string message, std::map<std::string, std::string> fields = {}) {
    events.push_back({0, now, desired.cluster.name, std::move(kind), std::move(message), std::move(fields)});
  }
  // An intent without which the way back would be lost: no store, no act.
  Result<void> make_durable() { return within(ports.store.save(desired.cluster.name, memory, {}), "recording the intent"); }
  [[nodiscard]] ServerIdentity server() const { return seen.server.identity(); }
  [[nodiscard]] std::uint64_t next_number() const {
    std::uint64_t number = memory.generation_number;
    for (const GenerationSeen& g : seen.generations.all) number = std::max(number, g.number);
    return number + 1;
  }
};

// A whole new generation on disk, with the anchors and CRLs that it needs; its id. It is not live.
Result<std::string> stage(Step& s, GenerationContent content);

}  // namespace pgcertd::engine
