// A working pair of somebody else stays until consent, and nobody renews it here: what is wrong with it is told all the same.
// Pure.
#pragma once

#include <vector>

#include "core/plan.hpp"

namespace pgcertd {

// What is wrong with the pair that the server's settings name, where needs_takeover(); else nothing.
std::vector<Finding> judge_foreign_pair(const Desired& desired, const Observation& seen, TimePoint now);

}  // namespace pgcertd
