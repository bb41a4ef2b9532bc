// The JSON of /v1, of --json and of errors. Pure; text that strangers chose is made printable, what is unknown is null.
// The shape of status_json is fixed by the user's contract (schema 1): keys may be added, never changed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.hpp"
#include "status/facts.hpp"

namespace pgcertd::status {

std::string status_json(const Snapshot& snapshot, const BuildInfo& build);
std::string clusters_json(const Snapshot& snapshot);
std::optional<std::string> cluster_json(const Snapshot& snapshot, const std::string& name);   // nullopt: no such cluster
std::string rotations_json(const Snapshot& snapshot);
std::string runway_json(const Snapshot& snapshot);
// `next` is what to pass as `since` to go on.
std::string events_json(const std::vector<Event>& events);
std::string plan_json(const Plan& plan);
// application/problem+json (RFC 9457).
std::string problem_json(int http_status, std::string_view title, std::string_view detail);

}  // namespace pgcertd::status
