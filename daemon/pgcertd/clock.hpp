// The one place that reads the clocks.
#pragma once

#include "core/clock_guard.hpp"
#include "service/clocks.hpp"

namespace pgcertd::daemon {

inline TimePoint wall_clock() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

// What `guard` says of the clocks now.
inline std::optional<ClockDoubt> look_at_clocks(ClockGuard& guard, std::optional<TimePoint> known_past = std::nullopt) {
  const service::ClockReading clocks = service::read_clocks();
  return guard.look(clocks.wall, clocks.boottime, known_past);
}

}  // namespace pgcertd::daemon
