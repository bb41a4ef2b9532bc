// Exit codes of pgcertctl: scripts rely on them. `check` has the codes of monitoring plugins instead.
#pragma once

#include "base/error.hpp"

namespace pgcertd::cli {

enum class ExitCode : int {
  done = 0,
  failed = 1,  // or findings
  usage = 2,
  not_found = 3,
  unreachable = 4,  // the daemon
  refused = 5,      // by policy
  timed_out = 6,
  no_permission = 77,
};

ExitCode exit_code(Errc code) noexcept;

}  // namespace pgcertd::cli
