#include "service/calendar.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

namespace pgcertd::service {
namespace {

std::tm local(std::time_t at) {
  std::tm out{};
  localtime_r(&at, &out);
  return out;
}

// A day of the local calendar; its members may run over, as mktime takes them.
struct Day {
  int year, month, day;           // as in std::tm
};

// The moments at which clocks on the wall show this: none in a gap, two in the hour that comes twice, earlier first.
std::vector<std::time_t> moments(const Day& day, std::chrono::minutes minute) {
  std::vector<std::time_t> out;
  for (const int dst : {1, 0}) {
    std::tm wanted{};
    wanted.tm_year = day.year, wanted.tm_mon = day.month, wanted.tm_mday = day.day, wanted.tm_isdst = dst;
    wanted.tm_hour = static_cast<int>(minute.count() / 60), wanted.tm_min = static_cast<int>(minute.count() % 60);
    const std::time_t at = std::mktime(&wanted);
    const std::tm shown = local(at);
    if (shown.tm_hour * 60 + shown.tm_min == minute.count() && shown.tm_isdst == dst) out.push_back(at);
  }
  std::sort(out.begin(), out.end());
  return out;
}

// In a gap: the moment at which the clock is put forward stands for every minute that is missing.
std::time_t in_gap(const Day& day, std::chrono::minutes minute) {
  for (std::chrono::minutes later = minute; later < minute + std::chrono::hours{3}; ++later)
    if (const auto found = moments(day, later % std::chrono::hours{24}); !found.empty()) return found.front();
  std::tm wanted{};
  wanted.tm_year = day.year, wanted.tm_mon = day.month, wanted.tm_mday = day.day, wanted.tm_min = static_cast<int>(minute.count()), wanted.tm_isdst = -1;
  return std::mktime(&wanted);
}

std::time_t first_moment(const Day& day, std::chrono::minutes minute) {
  const auto found = moments(day, minute);
  return found.empty() ? in_gap(day, minute) : found.front();
}

std::time_t last_moment(const Day& day, std::chrono::minutes minute) {
  const auto found = moments(day, minute);
  return found.empty() ? in_gap(day, minute) : found.back();
}

Day next(Day day) { return {day.year, day.month, day.day + 1}; }

std::optional<Interval> on_day(const WeeklyWindow& window, const Day& day) {
  std::tm noon{};
  noon.tm_year = day.year, noon.tm_mon = day.month, noon.tm_mday = day.day, noon.tm_hour = 12, noon.tm_isdst = -1;
  std::mktime(&noon);
  if (!window.days.test(static_cast<std::size_t>((noon.tm_wday + 6) % 7))) return std::nullopt;
  const Day last = window.end <= window.begin ? next(day) : day;
  const Interval out{from_unix(first_moment(day, window.begin)), from_unix(last_moment(last, window.end))};
  return out.begin < out.end ? std::optional{out} : std::nullopt;
}

}  // namespace

std::vector<Interval> intervals_of(const std::vector<WeeklyWindow>& windows, TimePoint now, Duration span) {
  std::vector<Interval> out;
  const std::tm today = local(static_cast<std::time_t>(to_unix(now)));
  const int days = static_cast<int>(std::chrono::ceil<std::chrono::days>(span).count());
  for (int offset = -1; offset <= days; ++offset)
    for (const WeeklyWindow& window : windows)
      if (const auto found = on_day(window, {today.tm_year, today.tm_mon, today.tm_mday + offset}); found && found->end > now && found->begin < now + span)
        out.push_back(*found);
  std::sort(out.begin(), out.end(), [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  return out;
}

}  // namespace pgcertd::service
