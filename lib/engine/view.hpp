// One cluster's tick as people see it. Pure.
#pragma once

#include "core/snapshot.hpp"

namespace pgcertd::engine {

// Each problem once, the worst first. `known`: since when the problems of the last view stand.
std::vector<StandingProblem> standing(const std::vector<Finding>& findings, const std::vector<ProblemSince>& known, TimePoint now);
ClusterView make_view(const Desired& desired, const Observation& seen, const Plan& plan, TimePoint now);
// Carries over from the view before what this one cannot see any more.
void keep_last_known(ClusterView& view, const ClusterView& before);
IssuerView make_issuer_view(const IssuerConfig& config, const IssuerSeen& seen, Duration longest_leaf, const std::vector<ProblemSince>& known, TimePoint now);

}  // namespace pgcertd::engine
