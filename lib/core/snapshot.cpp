#include "core/snapshot.hpp"

namespace pgcertd {

const ClusterView* Snapshot::cluster(const std::string& name) const {
  for (const ClusterView& view : clusters)
    if (view.name == name) return &view;
  return nullptr;
}

}  // namespace pgcertd
