// Clocks read together, so that a suspend and a set wall clock can be told apart. The judgements are pure.
#pragma once

#include "base/time.hpp"

namespace pgcertd::service {

struct ClockReading {
  TimePoint wall{};                   // CLOCK_REALTIME
  Duration monotonic{};               // CLOCK_MONOTONIC: stands still while suspended
  Duration boottime{};                // CLOCK_BOOTTIME: does not
};

ClockReading read_clocks();
// How long the machine slept between two readings.
Duration suspended_between(const ClockReading& before, const ClockReading& after);
// How far the wall clock was moved between two readings beyond the time that passed; negative: backwards.
Duration wall_jump(const ClockReading& before, const ClockReading& after);

}  // namespace pgcertd::service
