// Small judgements that several renderings share. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/snapshot.hpp"

namespace pgcertd::status {

// TimePoint{} stands for "not known" in views.
inline std::optional<TimePoint> known(TimePoint at) { return at == TimePoint{} ? std::nullopt : std::optional{at}; }

// The issuer that the configuration names for a cluster, once it has been looked at.
const IssuerView* issuer_of(const Snapshot& snapshot, const ClusterView& cluster);
// The next three visits of the root that this host will want.
std::vector<Visit> visits_of(const Snapshot& snapshot);
// What begins or ends at a date, so that somebody must do something; oldest first.
struct RootDate {
  TimePoint at{};
  std::string what;
};
std::vector<RootDate> dates_of(const Snapshot& snapshot);
// Waiting requests of the clusters that use this issuer.
std::vector<PendingSeen> pending_of(const Snapshot& snapshot, const IssuerView& issuer);

std::string_view type_name(IssuerType type) noexcept;                  // "self-signed"
bool pending_restart(const PostgresSeen& server);
bool in_progress(Stage stage) noexcept;
bool stands(const std::vector<StandingProblem>& problems, ProblemCode code);
// When the leaf is tried again (after a failure) or renewed.
std::optional<TimePoint> next_attempt(const ClusterView& cluster);
std::optional<FileRole> role_of(const FileSeen& file);
FileVerdict judge(const ServerIdentity& server, const FileSeen& file);

}  // namespace pgcertd::status
