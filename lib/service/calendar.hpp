// Calendar: windows of local time as moments, by the time zone of this host (TZ, /etc/localtime). Any thread.
#pragma once

#include <vector>

#include "core/restart.hpp"
#include "core/weekly_window.hpp"

namespace pgcertd::service {

// Those that end after `now` and begin within `span`, in order of their begin. Where a clock is put forward, a window inside
// the hour that is missing does not take place; where it is put back, one inside the hour that comes twice lasts over both.
std::vector<Interval> intervals_of(const std::vector<WeeklyWindow>& windows, TimePoint now, Duration span);

}  // namespace pgcertd::service
