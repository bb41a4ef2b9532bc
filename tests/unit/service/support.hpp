// Helpers of the service room's tests: a scratch directory, environment that is put back, a loop that ends by a deadline.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "service/event_loop.hpp"

namespace pgcertd::service::test {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

class TempDir {
 public:
  TempDir() {
    std::string pattern = (fs::temp_directory_path() / "pgcertd-service-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { fs::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] std::string path(const std::string& name = {}) const { return name.empty() ? path_ : path_ + '/' + name; }

 private:
  std::string path_;
};

inline void write_file(const std::string& path, const std::string& text, mode_t mode = 0600) {
  std::ofstream(path) << text;
  ASSERT_EQ(chmod(path.c_str(), mode), 0) << path;
}

class Env {
 public:
  Env(std::string name, const char* value) : name_(std::move(name)) {
    if (const char* old = getenv(name_.c_str())) old_ = old;
    value == nullptr ? unsetenv(name_.c_str()) : setenv(name_.c_str(), value, 1);
  }
  ~Env() { old_ ? setenv(name_.c_str(), old_->c_str(), 1) : unsetenv(name_.c_str()); }
  Env(const Env&) = delete;
  Env& operator=(const Env&) = delete;

 private:
  std::string name_;
  std::optional<std::string> old_;
};

inline TimePoint wall_now() { return std::chrono::floor<Duration>(std::chrono::system_clock::now()); }

inline std::unique_ptr<EventLoop> make_loop() {
  auto loop = EventLoop::create();
  return loop ? std::move(*loop) : nullptr;
}

// Runs `loop` until it is stopped; false when `limit` ended it.
inline bool run_within(EventLoop& loop, Duration limit = seconds{10}) {
  bool in_time = true;
  EXPECT_TRUE(loop.set_timer("test deadline", wall_now() + limit, [&] {
    in_time = false;
    loop.stop();
  }));
  const auto result = loop.run();
  EXPECT_TRUE(result) << result.error().text();
  return in_time;
}

// The exit status of `body` run in a forked child: for what cannot be undone in a process.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

}  // namespace pgcertd::service::test
