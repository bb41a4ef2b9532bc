#include "core/memory.hpp"

#include <algorithm>

namespace pgcertd {

bool ClusterMemory::is_proved(const std::string& generation) const {
  return std::any_of(proved.begin(), proved.end(), [&](const Proved& p) { return p.generation == generation; });
}

bool ClusterMemory::is_refused(const std::string& key) const {
  return std::any_of(refused.begin(), refused.end(), [&](const RefusedLeaf& r) { return r.key == key; });
}

}  // namespace pgcertd
