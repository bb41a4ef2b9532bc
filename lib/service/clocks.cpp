#include "service/clocks.hpp"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace pgcertd::service {
namespace {

Duration read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);   // cannot fail for the three clocks read here
  return std::chrono::floor<Duration>(std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec});
}

// Three clocks are never read at one instant, and each is cut to a millisecond.
constexpr Duration reading_error{5};

}  // namespace

ClockReading read_clocks() {
  return {.wall = TimePoint{read_clock(CLOCK_REALTIME)},
          .monotonic = read_clock(CLOCK_MONOTONIC),
          .boottime = read_clock(CLOCK_BOOTTIME)};
}

Duration suspended_between(const ClockReading& before, const ClockReading& after) {
  const Duration slept = (after.boottime - before.boottime) - (after.monotonic - before.monotonic);
  return slept <= reading_error ? Duration{0} : slept;
}

Duration wall_jump(const ClockReading& before, const ClockReading& after) {
  const Duration jump = (after.wall - before.wall) - (after.boottime - before.boottime);
  return std::chrono::abs(jump) <= reading_error ? Duration{0} : jump;
}

}  // namespace pgcertd::service
