#include "core/memory.hpp"

#include <algorithm>

namespace pgcertd {

bool ClusterMemory::is_proved(const std::string& generation) const {
  return std::any_of(proved.begin(), proved.end(), [&](const Proved& p) { return p.generation == generation; });
}

void ClusterMemory::count_rotation(Duration took) {
  last_rotation_took = took;
  rotations_took += took;
  rotations_by_duration.resize(rotation_bounds.size() + 1);
  const auto bound = std::ranges::find_if(rotation_bounds, [&](Duration b) { return took <= b; });
  ++rotations_by_duration[static_cast<std::size_t>(bound - rotation_bounds.begin())];
}

bool ClusterMemory::is_refused(const std::string& key) const {
  return std::any_of(refused.begin(), refused.end(), [&](const RefusedLeaf& r) { return r.key == key; });
}

}  // namespace pgcertd
