// When a restart of PostgreSQL is what helps, and whether it may be done now: decided from facts, never by habit. Pure.
//
// On current versions one thing needs a restart: a private key with a passphrase that the server may not ask for at a reload
// (ssl_passphrase_command_supports_reload off; before PostgreSQL 11 there is no such command at all). pgcertd's own keys have
// no passphrase, so that this concerns pairs of somebody else that stay where they are.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace pgcertd {

struct Desired;
struct Observation;

// [begin, end), as the adapter expanded a window's calendar words.
struct Interval {
  TimePoint begin{}, end{};
  bool operator==(const Interval&) const = default;
};

// What is asked of server and host once restart_cures(): how it could be done, and what is against it.
struct RestartOutlook {
  std::string method;                          // as an operator would type it; empty: pgcertd has no way
  std::string why_not;                         // then
  std::vector<std::string> blockers;           // what a restart would break off: "a base backup is being taken"
  std::vector<std::string> pending_settings;   // that it would bring into force, too
  std::optional<std::string> key_spki_sha256;  // of the key, opened by ssl_passphrase_command; only the server's own user can
  std::string passphrase_error;                // where that failed
  std::string file_error;                      // of another file that the server would read at its start
  bool operator==(const RestartOutlook&) const = default;
};

// Is a pair on disk that is not served and that no reload can bring into force?
bool restart_cures(const Observation& seen);

struct RestartVerdict {
  bool now = false;
  std::string why;                             // why not now
  std::optional<TimePoint> next_window;        // where only that is waited for
};
// Nothing to say unless restart_cures().
std::optional<RestartVerdict> judge_restart(const Desired& desired, const Observation& seen, TimePoint now);

// For the finding: what an operator would type.
std::string restart_remedy(const Observation& seen);

}  // namespace pgcertd
