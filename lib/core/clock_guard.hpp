// ClockGuard: whether the wall clock may be believed, judged against one that nobody sets. A jump beyond the bound is doubted
// until the clock is back, or has stood by its new time for as long as the bound. A value; whoever reads the clocks feeds it.
#pragma once

#include <optional>

#include "base/time.hpp"

namespace pgcertd {

struct ClockDoubt {
  Duration by{};                 // how far it jumped; negative: back
  TimePoint until{};             // when its new time is believed, if it stays
  bool operator==(const ClockDoubt&) const = default;
};

class ClockGuard {
 public:
  explicit ClockGuard(Duration bound) : bound_(bound) {}

  // `steady`: CLOCK_BOOTTIME. `known_past`: a moment that is certainly over, from before this guard's first look.
  std::optional<ClockDoubt> look(TimePoint wall, Duration steady, std::optional<TimePoint> known_past = std::nullopt);

 private:
  struct Claim {
    Duration offset;             // wall less steady
    Duration since;              // steady
  };
  [[nodiscard]] bool near(Duration a, Duration b) const { return std::chrono::abs(a - b) <= bound_; }

  Duration bound_;
  std::optional<Duration> trusted_;   // wall less steady
  std::optional<Claim> claim_;        // what the wall clock says instead
};

}  // namespace pgcertd
