// Port to what is kept: a memory for each cluster, and the history of events. One object a thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/memory.hpp"

namespace pgcertd::ports {

class Store {
 public:
  virtual ~Store() = default;
  virtual Result<ClusterMemory> load(const std::string& cluster) = 0;      // empty memory for an unknown name
  // Memory and events in one durable transaction: both or neither.
  virtual Result<void> save(const std::string& cluster, const ClusterMemory& memory, const std::vector<Event>& events) = 0;
  virtual Result<std::vector<Event>> events(std::int64_t after_id, std::size_t limit) = 0;   // oldest first
  virtual Result<void> prune(TimePoint older_than, std::uint64_t keep) = 0;                  // also those beyond the newest `keep`
};

}  // namespace pgcertd::ports
