// The postmaster as a process: found by postmaster.pid, signalled, looked at.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/result.hpp"

namespace pgcertd::postgres {

// What postmaster.pid says; the process may be another one by now.
Result<pid_t> postmaster_pid(const std::string& data_directory);

// Finds the process by postmaster.pid and makes sure that it is this server's (its working directory is the data
// directory) before it is signalled, through a pidfd: a number that was given to another process is never signalled.
Result<void> signal_reload(const std::string& data_directory);

}  // namespace pgcertd::postgres
