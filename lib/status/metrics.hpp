// Prometheus text format 0.0.4 of everything a Snapshot knows. Pure; rendered whole for each snapshot, so that nothing stale or
// doubled can appear. Families whose facts do not exist are left out rather than shown as zero.
#pragma once

#include <string>

#include "core/snapshot.hpp"
#include "status/facts.hpp"

namespace pgcertd::status {

// Three parts of one text, which have no family in common: what changes with the snapshot alone, at each request, and all the time.
std::string snapshot_metrics_text(const Snapshot& snapshot, const BuildInfo& build);
std::string request_metrics_text(const Counters& counters);
std::string process_metrics_text(const ProcessFacts& process);
std::string metrics_text(const Snapshot& snapshot, const BuildInfo& build, const ProcessFacts& process, const Counters& counters);

}  // namespace pgcertd::status
