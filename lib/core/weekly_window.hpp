// WeeklyWindow: a stretch of local time on days of the week, as restart_window says it: "Sat,Sun 02:00-04:00". A value; when
// it begins and ends in UTC is the calendar's business (service/calendar.hpp).
#pragma once

#include <bitset>
#include <chrono>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcertd {

using Days = std::bitset<7>;      // Monday is 0

struct WeeklyWindow {
  Days days;                      // on which it begins
  std::chrono::minutes begin{}, end{};   // after midnight; an end before the begin is on the next day
  bool operator==(const WeeklyWindow&) const = default;
};

// Several are joined with commas; days may be a range. Errc::invalid with a remedy.
Result<std::vector<WeeklyWindow>> parse_weekly_windows(std::string_view text);

}  // namespace pgcertd
