// The one place that reads the wall clock.
#pragma once

#include "base/time.hpp"

namespace pgcertd::daemon {

inline TimePoint wall_clock() { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

}  // namespace pgcertd::daemon
