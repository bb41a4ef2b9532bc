// Preloaded before libfaketime, which takes its offset off absolute timers of the monotonic clock too, even where that clock is not
// faked: they lie before its begin then, and timerfd_settime fails with EINVAL. Such timers go to the kernel as they are.
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <ctime>

namespace {

std::array<std::atomic<bool>, 65536> of_real_time{};

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

bool is_of_real_time(int fd) { return fd >= 0 && static_cast<std::size_t>(fd) < of_real_time.size() && of_real_time[static_cast<std::size_t>(fd)]; }

}  // namespace

extern "C" int timerfd_create(clockid_t clock, int flags) noexcept {
  const int fd = static_cast<int>(syscall(SYS_timerfd_create, clock, flags));
  if (fd >= 0 && static_cast<std::size_t>(fd) < of_real_time.size()) of_real_time[static_cast<std::size_t>(fd)] = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM;
  return fd;
}

extern "C" int timerfd_settime(int fd, int flags, const itimerspec* wanted, itimerspec* before) noexcept {
  static const auto faked = next<int (*)(int, int, const itimerspec*, itimerspec*)>("timerfd_settime");
  if (is_of_real_time(fd)) return faked(fd, flags, wanted, before);
  return static_cast<int>(syscall(SYS_timerfd_settime, fd, flags, wanted, before));
}
