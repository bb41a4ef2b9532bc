// A server that is down and was never seen: its settings by `postgres -C NAME -D DIRECTORY`, its identity from pg_control.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/server.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

struct ColdStart {
  std::string data_directory{};
  std::string debian_config_root = "/etc/postgresql";   // Debian keeps postgresql.conf in ROOT/VERSION/NAME
  std::vector<std::string> binary_directories{};        // looked into first
};

// known is true and fault stays `down`; privileges, start and load times are unknown.
Result<PostgresSeen> read_cold(const ColdStart& what, Deadline deadline, const Cancel& cancel);

}  // namespace pgcertd::postgres
