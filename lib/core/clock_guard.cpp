#include "core/clock_guard.hpp"

#include <algorithm>

namespace pgcertd {

std::optional<ClockDoubt> ClockGuard::look(TimePoint wall, Duration steady, std::optional<TimePoint> known_past) {
  const Duration offset = wall.time_since_epoch() - steady;
  if (!trusted_) trusted_ = std::max(wall, known_past.value_or(wall)).time_since_epoch() - steady;
  // Small steps are what a time service makes, and add up over the years.
  if (near(offset, *trusted_)) {
    trusted_ = offset;
    claim_.reset();
    return std::nullopt;
  }
  if (!claim_ || !near(offset, claim_->offset)) claim_ = Claim{offset, steady};
  claim_->offset = offset;
  if (steady - claim_->since >= bound_) {
    trusted_ = offset;
    claim_.reset();
    return std::nullopt;
  }
  return ClockDoubt{offset - *trusted_, wall + bound_ - (steady - claim_->since)};
}

}  // namespace pgcertd
