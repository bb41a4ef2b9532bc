// What a server tells of itself through SQL, PostgreSQL 10 to 18, as PostgresSeen. Reads only.
#pragma once

#include "postgres/session.hpp"

namespace pgcertd::postgres {

// Two round trips: version-dependent facts with privileges and settings, then what the privileges permit. fault is none and
// known is true on success; the identity of the server's user is left to the caller.
Expected<PostgresSeen> discover(Session& session);
// Empty where the role may not ask.
Expected<std::string> system_identifier(Session& session);

// listen_addresses as PostgreSQL splits it.
std::vector<std::string> split_listen_addresses(std::string_view text);
// 150018 → "15.18".
std::string version_text(std::uint32_t version_num);

}  // namespace pgcertd::postgres
