#include "postgres/postmaster.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/unique_fd.hpp"
#include "postgres/conf_file.hpp"

namespace pgcertd::postgres {

Result<pid_t> postmaster_pid(const std::string& data_directory) {
  const std::string path = data_directory + "/postmaster.pid";
  PGCERTD_TRY(const auto text, read_text_file(path, 64U << 10));
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  // A standalone backend writes its number as a negative one.
  if (pid <= 1) return fail(Errc::not_found, fmt::format("\"{}\" names no postmaster", path));
  return pid;
}

Result<void> signal_reload(const std::string& data_directory) {
  PGCERTD_TRY(const pid_t pid, postmaster_pid(data_directory));
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return fail(errno_error("pidfd_open", std::to_string(pid), errno));
  struct stat directory {}, working {};
  const std::string link = fmt::format("/proc/{}/cwd", pid);
  if (stat(data_directory.c_str(), &directory) != 0) return fail(errno_error("stat", data_directory, errno));
  if (stat(link.c_str(), &working) != 0) return fail(errno_error("stat", link, errno));
  if (directory.st_dev != working.st_dev || directory.st_ino != working.st_ino)
    return fail(Errc::not_found, fmt::format("process {} of \"{}\" is not the postmaster: postmaster.pid is stale", pid, data_directory), "start PostgreSQL");
  if (syscall(SYS_pidfd_send_signal, process.get(), SIGHUP, nullptr, 0) != 0)
    return fail(errno_error("pidfd_send_signal", std::to_string(pid), errno));
  return {};
}

}  // namespace pgcertd::postgres
