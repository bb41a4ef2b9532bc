// WallTimers: named moments of the wall clock on one timerfd, which also tells when the clock was set.
// One thread. Always armed, so that a set clock is noticed while nothing is planned.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::service {

class WallTimers {
 public:
  using Callback = std::function<void()>;
  struct Ready {
    bool clock_was_set = false;
    std::vector<Callback> due;        // taken out of the timers, earliest first
  };

  static Result<WallTimers> create();
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  Result<void> set(const std::string& name, TimePoint at, Callback callback);
  Result<void> cancel(const std::string& name);
  // To be called when fd() is readable.
  Result<Ready> take();

 private:
  struct Timer {
    TimePoint at;
    Callback callback;
  };
  explicit WallTimers(UniqueFd fd) : fd_(std::move(fd)) {}
  Result<void> arm();
  UniqueFd fd_;
  bool clock_was_set_ = false;        // seen while arming, to be told by the next take()
  std::map<std::string, Timer> timers_;
};

}  // namespace pgcertd::service
