// conninfo read the way libpq reads it (keyword = value, or a postgresql:// URI), to see what must not stand in it before
// anything connects. Pure. No message repeats a value: it may be a password.
#pragma once

#include <map>
#include <string>

#include "base/result.hpp"

namespace pgcertd::config {

using ConninfoValues = std::map<std::string, std::string>;
Result<ConninfoValues> conninfo_values(const std::string& text);

// The text itself, when it is not empty, its keywords are libpq's, and no secret stands in it or behind it.
Result<std::string> checked_conninfo(const std::string& text);

// Where it leads, in one spelling: two clusters with the same one are the same cluster.
std::string server_address(const ConninfoValues& values);

}  // namespace pgcertd::config
