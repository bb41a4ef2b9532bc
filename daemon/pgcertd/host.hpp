// What the daemon asks of its host: its name, its state directory.
#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcertd::daemon {

std::string host_fqdn();
// Makes it with mode 0711 where it is missing: PostgreSQL must be able to pass through.
Result<void> make_state_directory(const std::string& path);

}  // namespace pgcertd::daemon
