// The HTTP listener's own certificate: wanted, renewed and judged as a cluster's is. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "core/plan.hpp"

namespace pgcertd {

// In the place of a cluster's name, in which no such sign may stand.
inline constexpr std::string_view listener_name = "@http";
// Where its pair stands among the generations of an Observation.
inline constexpr std::string_view listener_pair = "pair";

// `names`: those that the certificate must hold.
Desired listener_wish(const IssuerConfig& issuer, Names names, Duration check_interval);

// All of them are warnings: PostgreSQL's clients feel nothing of them, and who watches the listener sees it fail.
std::vector<Finding> judge_listener(const Desired& desired, const Observation& seen, const NeedOf& need, TimePoint now);

}  // namespace pgcertd
