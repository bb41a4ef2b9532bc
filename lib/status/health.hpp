// application/health+json (draft-inadarei-api-health-check): one check a cluster. Pure.
// A warning passes unless the caller wants it to fail; unknown fails, as it is worse than a warning everywhere else.
#pragma once

#include <optional>
#include <string>

#include "core/snapshot.hpp"
#include "status/facts.hpp"

namespace pgcertd::status {

struct Health {
  bool healthy = false;      // 200 or 503
  std::string body;
};

// Of all clusters, or of the one named; nullopt: no such cluster.
std::optional<Health> health(const Snapshot& snapshot, const BuildInfo& build, const std::string& cluster, bool fail_on_warn);

}  // namespace pgcertd::status
