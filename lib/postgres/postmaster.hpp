// The postmaster as a process: found by postmaster.pid, signalled, looked at.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcertd::postgres {

// postmaster.pid, line by line as PostgreSQL writes it.
struct PostmasterFile {
  pid_t pid = 0;
  std::string data_directory;
  std::uint16_t port = 0;         // 0: not written yet
  std::string socket_directory;
};
std::optional<PostmasterFile> parse_postmaster_file(std::string_view text);

// What postmaster.pid says; the process may be another one by now.
Result<pid_t> postmaster_pid(const std::string& data_directory);

// Finds the process by postmaster.pid and makes sure that it is this server's (its working directory is the data
// directory) before it is signalled, through a pidfd: a number that was given to another process is never signalled.
Result<void> signal_reload(const std::string& data_directory);

}  // namespace pgcertd::postgres
