// Keys that others could read: whoever read one has it still, whatever is done to its file. Pure.
#pragma once

#include <optional>

#include "core/finding.hpp"
#include "core/observation.hpp"
#include "core/plan.hpp"

namespace pgcertd {

// Keeps those that are seen exposed, for as long as they are in use or in a generation that may be put back.
void note_exposed_keys(ClusterMemory& memory, const Observation& seen, TimePoint now);
// The key in use is one of them.
std::optional<Finding> judge_exposed_key(const Desired& desired, const Observation& seen);

}  // namespace pgcertd
