// SIGHUP to the postmaster, for a daemon that runs as the server's own user.
#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcertd::postgres {

// Finds the process by postmaster.pid and makes sure that it is this server's (its working directory is the data
// directory) before it is signalled, through a pidfd: a number that was given to another process is never signalled.
Result<void> signal_reload(const std::string& data_directory);

}  // namespace pgcertd::postgres
