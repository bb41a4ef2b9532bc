// What the commands share that have the daemon do something.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pgcertctl/session.hpp"

namespace pgcertd::ctl {

// Naming the command is consent enough for a script; a person at a terminal is asked once more, as rm does. Errc::refused: no.
Result<void> confirm(const Session& session, const std::string& question);
// The daemon's own words for what it did, printable, times with their distance from `now`.
std::string words(const nlohmann::json& reply, TimePoint now);
// POSTs, prints the answer, and gives the exit code.
int ask(const Session& session, const std::string& path, const nlohmann::json& body);

}  // namespace pgcertd::ctl
