// TimePoint: a moment of the wall clock in milliseconds since 1970-01-01T00:00:00Z, wide enough for 9999-12-31.
// Nothing here reads a clock: the time comes as an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcertd {

using Duration = std::chrono::milliseconds;
using TimePoint = std::chrono::sys_time<Duration>;

constexpr TimePoint from_unix(std::int64_t seconds) { return TimePoint{std::chrono::seconds{seconds}}; }
constexpr std::int64_t to_unix(TimePoint at) { return std::chrono::floor<std::chrono::seconds>(at).time_since_epoch().count(); }

// RFC 5280 4.1.2.5: 99991231235959Z means that a certificate has no well-defined end.
constexpr TimePoint no_expiry = from_unix(253402300799);

// "2026-01-01T00:00:00Z" (RFC 3339, whole seconds, UTC).
std::string to_rfc3339(TimePoint at);
Result<TimePoint> parse_rfc3339(std::string_view text);
// "20260101T000000Z": as generation directories are named.
std::string to_compact_utc(TimePoint at);

// "90d", "12h", "30m", "45s", "500ms" and combinations such as "1d12h"; units in falling order, each once.
Result<Duration> parse_duration(std::string_view text);
// The shortest text that parse_duration reads back as the same: "1d12h". Zero is "0s".
std::string to_text(Duration duration);
// For people: "3 days ago", "in 2 hours", "now".
std::string relative_text(TimePoint at, TimePoint now);

}  // namespace pgcertd
