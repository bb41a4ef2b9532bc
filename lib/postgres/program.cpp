#include "postgres/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <climits>

#include "base/unique_fd.hpp"

namespace pgcertd::postgres {
namespace {

// A child that is killed and waited for unless wait() has seen its end.
class Child {
 public:
  explicit Child(pid_t pid) : pid_(pid) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    (void)wait();   // how it ended no longer matters
  }
  int wait() {
    int status = -1;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {}
    pid_ = -1;
    return status;
  }

 private:
  pid_t pid_;
};

Result<pid_t> spawn(const std::vector<std::string>& argv, int in, int out) {
  std::vector<char*> arguments;
  for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));   // execve's signature; not written to
  arguments.push_back(nullptr);
  char locale[] = "LC_ALL=C", path[] = "PATH=/usr/bin:/bin";
  char* environment[] = {locale, path, nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (in < 0) posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  else posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addchdir_np(&actions, "/");
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int failed = posix_spawn(&pid, argv[0].c_str(), &actions, &attributes, arguments.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (failed != 0) return fail(errno_error("posix_spawn", argv[0], failed));
  return pid;
}

// A pipe that holds all of `input` already (PIPE_BUF bytes fit into each) and then ends; none without input.
Result<UniqueFd> filled_pipe(const std::string& program, std::string_view input) {
  if (input.empty()) return UniqueFd();
  if (input.size() > PIPE_BUF) return fail(Errc::invalid, fmt::format("{}: an input of {} bytes is too large", program, input.size()));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error("pipe2", program, errno));
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  if (write(writer.get(), input.data(), input.size()) != static_cast<ssize_t>(input.size())) return fail(errno_error("write", program, errno));
  return reader;
}

Result<std::string> collect(int fd, const std::string& program, Deadline deadline, const Cancel& cancel, std::size_t limit) {
  std::string out;
  char buffer[4096];
  for (;;) {
    const auto wake = wait_for(fd, POLLIN, deadline, cancel);
    if (wake == Wake::cancelled) return fail(Errc::cancelled, fmt::format("{}: the daemon is stopping", program));
    if (wake == Wake::timeout) return fail(Errc::timeout, fmt::format("{} did not end in time", program));
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", program, errno));
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > limit) return fail(Errc::invalid, fmt::format("{} wrote more than {} bytes", program, limit));
  }
}

}  // namespace

Result<std::string> run_program(const std::vector<std::string>& argv, Deadline deadline, const Cancel& cancel, std::size_t limit, std::string_view input) {
  PGCERTD_TRY(const UniqueFd given, filled_pipe(argv[0], input));
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail(errno_error("pipe2", argv[0], errno));
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  PGCERTD_TRY(const pid_t pid, spawn(argv, given.get(), writer.get()));
  Child child(pid);
  writer.reset();
  PGCERTD_TRY(auto out, collect(reader.get(), argv[0], deadline, cancel, limit));
  const int status = child.wait();
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(Errc::io, fmt::format("\"{}\" failed ({})", fmt::join(argv, " "),
                                      WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status)) : "killed"),
                "run it by hand to see why");
  return out;
}

}  // namespace pgcertd::postgres
