// What two keys together make impossible: paths and servers used twice, references to nothing. Pure, but for what
// it is told of the host's accounts.
#pragma once

#include <vector>

#include "config/tree.hpp"
#include "core/config.hpp"

namespace pgcertd::config {

// Fills in what follows from other keys (directories and issuers by default), then judges the whole.
void fill_defaults(Config& config);
void cross_check(const Config& config, const Node& root, const HostAccounts& accounts, std::vector<ConfigIssue>& issues);

// The candidate with the least edit distance to `word`; empty without candidates.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace pgcertd::config
