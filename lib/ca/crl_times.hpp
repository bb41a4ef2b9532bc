// When a CRL of ours begins, ends and is signed again. Pure.
#pragma once

#include <algorithm>
#include <optional>

#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd::ca {

// thisUpdate lies a little back: clocks of clients differ, and as it rises with each CRL by a second at least, several
// revocations in one second must not push it into the future.
constexpr Duration crl_backdate(Duration lifetime) { return std::min<Duration>(std::chrono::minutes{10}, lifetime / 2); }

constexpr TimePoint crl_this_update(TimePoint now, Duration lifetime) { return std::chrono::floor<std::chrono::seconds>(now - crl_backdate(lifetime)); }

// Of the CRL after the one that began at `before`. Later than `now` only where the clock was ahead when that one was signed.
constexpr TimePoint next_this_update(std::optional<TimePoint> before, TimePoint now, Duration lifetime) {
  const TimePoint wanted = crl_this_update(now, lifetime);
  return before ? std::max(wanted, *before + std::chrono::seconds{1}) : wanted;
}

// Each day, or at half its life where that is shorter.
constexpr bool crl_is_due(const CrlFacts& crl, Duration lifetime, TimePoint now) {
  const Duration age = std::min<Duration>(std::chrono::days{1}, lifetime / 2);
  return !crl.next_update || crl.this_update > now || now >= crl.this_update + crl_backdate(lifetime) + age || now >= *crl.next_update;
}

}  // namespace pgcertd::ca
