// Times in words that were made elsewhere: the daemon's messages, entries of logs. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/time.hpp"

namespace pgcertd::cli {

// Puts "(in 3 days)" behind each "2026-01-01T00:00:00Z" that has no such words yet.
std::string with_relative_times(std::string_view text, TimePoint now);

}  // namespace pgcertd::cli
