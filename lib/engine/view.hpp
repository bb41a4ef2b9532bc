// One cluster's tick as people see it. Pure.
#pragma once

#include "core/snapshot.hpp"

namespace pgcertd::engine {

ClusterView make_view(const Desired& desired, const Observation& seen, const Plan& plan, TimePoint now);
// `known`: since when the problems of the last view stand.
IssuerView make_issuer_view(const IssuerConfig& config, const IssuerSeen& seen, Duration longest_leaf, const std::vector<ProblemSince>& known, TimePoint now);

}  // namespace pgcertd::engine
