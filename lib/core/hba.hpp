// Judgement of pg_hba.conf: which rows let plaintext in, ask for what cannot be had, or are weak; after PostgreSQL's hba.c
// (check_hba: the first row that matches decides; hostssl and hostnossl match by the connection, host by both).
#pragma once

#include <string>
#include <vector>

#include "core/finding.hpp"
#include "core/server.hpp"
#include "core/server_detail.hpp"

namespace pgcertd {

// From which hosts a row's connections come.
enum class HbaReach : std::uint8_t { socket, this_host, network };
HbaReach reach_of(const HbaRule& rule) noexcept;
// Does every connection from `inner`'s addresses also come from `outer`'s? Only where that is sure.
bool address_covers(const HbaRule& outer, const HbaRule& inner) noexcept;
// Is a client certificate asked for, by method cert or by an option?
bool asks_for_certificate(const HbaRule& rule) noexcept;
// "pg_hba.conf:97", as findings name the row.
std::string place_of(const HbaRule& rule);

std::vector<Finding> judge_hba(const PostgresSeen& server, const std::vector<HbaRule>& rules);

}  // namespace pgcertd
