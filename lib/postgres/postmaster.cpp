#include "postgres/postmaster.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "base/unique_fd.hpp"
#include "postgres/conf_file.hpp"
#include "postgres/rows.hpp"

namespace pgcertd::postgres {
namespace {

// The next line of `text`, which loses it.
std::string_view next_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::optional<PostmasterFile> parse_postmaster_file(std::string_view text) {
  PostmasterFile out;
  // A standalone backend writes its number as a negative one.
  if (!whole_number(next_line(text), out.pid) || out.pid <= 1) return std::nullopt;
  out.data_directory = std::string(next_line(text));
  (void)next_line(text);   // start time
  if (!whole_number(next_line(text), out.port)) out.port = 0;
  out.socket_directory = std::string(next_line(text));
  return out;
}

Result<pid_t> postmaster_pid(const std::string& data_directory) {
  const std::string path = data_directory + "/postmaster.pid";
  PGCERTD_TRY(const auto text, read_text_file(path, 64U << 10));
  const auto file = parse_postmaster_file(text);
  if (!file) return fail(Errc::not_found, fmt::format("\"{}\" names no postmaster", path));
  return file->pid;
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
