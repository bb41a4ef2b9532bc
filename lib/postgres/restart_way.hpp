// How one PostgreSQL server is restarted: by its systemd unit, or by pg_ctl where the daemon is the server's own user.
#pragma once

#include <string>

#include "core/config.hpp"
#include "core/server.hpp"

namespace pgcertd::postgres {

struct RestartWay {
  enum class Kind : std::uint8_t { none, systemd, pg_ctl };
  Kind kind = Kind::none;
  std::string unit;          // systemd
  std::string pg_ctl;        // the program, beside the running postgres
  std::string log;           // pg_ctl: where the postmaster's standard error goes now
  std::string why_not;       // none
  // As an operator would type it.
  [[nodiscard]] std::string text(const std::string& data_directory) const;
};

// Looks at the running postmaster, where RestartCommand says "auto" or "pg_ctl".
RestartWay find_restart_way(const RestartCommand& command, const PostgresSeen& server);

// "postgresql@15-main.service" of the text of /proc/PID/cgroup; empty for a process that no unit started.
std::string unit_of_cgroup(const std::string& text);

}  // namespace pgcertd::postgres
