#include "service/wall_timers.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

namespace pgcertd::service {
namespace {

// Armed for this when nothing is planned: the year 9999 is as good as never.
constexpr TimePoint never = no_expiry;

itimerspec at_moment(TimePoint at) {
  // A zero value would disarm the timer, and negative ones are refused: whatever lies before 1970 is due at once.
  const auto since_epoch = std::clamp(at, TimePoint{Duration{1}}, never).time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  itimerspec spec{};
  spec.it_value.tv_sec = static_cast<time_t>(seconds.count());
  spec.it_value.tv_nsec = static_cast<long>(std::chrono::nanoseconds{since_epoch - seconds}.count());
  return spec;
}

bool settime(int fd, TimePoint at) {
  const itimerspec spec = at_moment(at);
  return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &spec, nullptr) == 0;
}

}  // namespace

Result<WallTimers> WallTimers::create() {
  UniqueFd fd{timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)};
  if (!fd) return fail(errno_error("timerfd_create", "CLOCK_REALTIME", errno));
  WallTimers timers{std::move(fd)};
  PGCERTD_CHECK(timers.arm());
  return timers;
}

Result<void> WallTimers::set(const std::string& name, TimePoint at, Callback callback) {
  timers_.insert_or_assign(name, Timer{at, std::move(callback)});
  return arm();
}

Result<void> WallTimers::cancel(const std::string& name) {
  timers_.erase(name);
  return arm();
}

Result<void> WallTimers::arm() {
  TimePoint first = never;
  for (const auto& [name, timer] : timers_) first = std::min(first, timer.at);
  if (settime(fd_.get(), first)) return {};
  if (errno != ECANCELED) return fail(errno_error("timerfd_settime", to_rfc3339(first), errno));
  // The clock was set since the last look, and this call has used up the kernel's notice of it: make the descriptor readable.
  clock_was_set_ = true;
  if (!settime(fd_.get(), TimePoint{}) && errno != ECANCELED) return fail(errno_error("timerfd_settime", "now", errno));
  return {};
}

Result<WallTimers::Ready> WallTimers::take() {
  Ready ready;
  ready.clock_was_set = std::exchange(clock_was_set_, false);
  std::uint64_t expirations = 0;
  if (read(fd_.get(), &expirations, sizeof expirations) < 0) {
    if (errno != ECANCELED && errno != EAGAIN && errno != EINTR) return fail(errno_error("read", "timerfd", errno));
    ready.clock_was_set = ready.clock_was_set || errno == ECANCELED;
  }
  const auto now = std::chrono::floor<Duration>(std::chrono::system_clock::now());
  std::vector<Timer> due;
  for (auto it = timers_.begin(); it != timers_.end();) {
    if (it->second.at > now) {
      ++it;
      continue;
    }
    due.push_back(std::move(it->second));
    it = timers_.erase(it);
  }
  std::stable_sort(due.begin(), due.end(), [](const Timer& a, const Timer& b) { return a.at < b.at; });
  for (Timer& timer : due) ready.due.push_back(std::move(timer.callback));
  PGCERTD_CHECK(arm());
  return ready;
}

}  // namespace pgcertd::service
