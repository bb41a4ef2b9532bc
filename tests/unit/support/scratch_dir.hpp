// ScratchDir: an empty directory (0700) of one test, removed with all that is in it; and small helpers on real files.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>

namespace pgcertd::test {

class ScratchDir {
 public:
  ScratchDir() {
    // In memory where that is possible: every fsync is made all the same, and costs nothing.
    const bool in_memory = std::getenv("TMPDIR") == nullptr && ::access("/dev/shm", W_OK | X_OK) == 0;
    std::string pattern =
        (in_memory ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) / "pgcertd-test-XXXXXX";
    const char* made = ::mkdtemp(pattern.data());
    if (made == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = made;
  }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  ~ScratchDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

inline void spit(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline mode_t mode_of(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0 ? seen.st_mode & 07777 : 0;
}

// Runs `body` in a child process that is not root (so that modes count) and returns what it returns, 0 to 255.
inline int in_unprivileged_child(const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(255);
    ::_exit(body());
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

// From here on this process (a child) can make no file larger than `bytes`: a write that fails with EFBIG.
inline void limit_file_size(rlim_t bytes) {
  (void)std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  (void)::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace pgcertd::test
