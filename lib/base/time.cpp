#include "base/time.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <limits>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using std::chrono::days;
using std::chrono::duration_cast;
using std::chrono::floor;
using std::chrono::hh_mm_ss;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::year_month_day;

struct Unit {
  std::string_view suffix;
  std::int64_t milliseconds;
};
constexpr std::array<Unit, 5> units{{{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}}};

struct Civil {
  int year;
  unsigned month, day;
  long hour, minute, second;
};

Civil civil(TimePoint at) {
  const auto day = floor<days>(at);
  const year_month_day ymd{day};
  const hh_mm_ss<seconds> clock{floor<seconds>(at - day)};
  return {int(ymd.year()), unsigned(ymd.month()), unsigned(ymd.day()),
          clock.hours().count(), clock.minutes().count(), clock.seconds().count()};
}

bool digits(std::string_view text, int& out) {
  for (const char c : text)
    if (c < '0' || c > '9') return false;
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc{};
}

tl::unexpected<Error> bad_duration(std::string_view text, std::string_view why) {
  return fail(Errc::parse, fmt::format("\"{}\" is no duration: {}", printable(text, 80), why),
              "write it like 90d, 12h, 30m, 45s or 1d12h");
}

}  // namespace

std::string to_rfc3339(TimePoint at) {
  const Civil c = civil(at);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

std::string to_compact_utc(TimePoint at) {
  const Civil c = civil(at);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second);
}

Result<TimePoint> parse_rfc3339(std::string_view text) {
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  const bool shape = text.size() == 20 && text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == 't') &&
                     text[13] == ':' && text[16] == ':' && (text[19] == 'Z' || text[19] == 'z');
  const bool numbers = shape && digits(text.substr(0, 4), y) && digits(text.substr(5, 2), mo) && digits(text.substr(8, 2), d) &&
                       digits(text.substr(11, 2), h) && digits(text.substr(14, 2), mi) && digits(text.substr(17, 2), s);
  const year_month_day ymd{std::chrono::year{y}, std::chrono::month{static_cast<unsigned>(mo)},
                           std::chrono::day{static_cast<unsigned>(d)}};
  if (!numbers || !ymd.ok() || h > 23 || mi > 59 || s > 59)
    return fail(Errc::parse, fmt::format("\"{}\" is no RFC 3339 time in UTC", text), "write it like 2026-01-01T00:00:00Z");
  return TimePoint{sys_days{ymd} + std::chrono::hours{h} + std::chrono::minutes{mi} + seconds{s}};
}

Result<Duration> parse_duration(std::string_view text) {
  if (text.empty()) return bad_duration(text, "it is empty");
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = rest.find_first_not_of("0123456789");
    if (end == 0) return bad_duration(text, "a number is missing");
    if (end == std::string_view::npos) return bad_duration(text, "its unit is missing");
    std::int64_t number = 0;
    if (std::from_chars(rest.data(), rest.data() + end, number).ec != std::errc{}) return bad_duration(text, "the number is too large");
    rest.remove_prefix(end);
    const std::string_view word = rest.substr(0, rest.find_first_of("0123456789"));
    while (next_unit < units.size() && units[next_unit].suffix != word) ++next_unit;
    if (next_unit == units.size()) return bad_duration(text, fmt::format("\"{}\" is no unit here", printable(word, 20)));
    const std::int64_t factor = units[next_unit++].milliseconds;
    if (number > (std::numeric_limits<std::int64_t>::max() / 2 - total) / factor) return bad_duration(text, "it is too long");
    total += number * factor;
    rest.remove_prefix(word.size());
  }
  return Duration{total};
}

std::string to_text(Duration duration) {
  std::int64_t left = duration.count();
  if (left == 0) return "0s";
  std::string out = left < 0 ? "-" : "";
  if (left < 0) left = -left;
  for (const Unit& unit : units) {
    if (left >= unit.milliseconds) out += fmt::format("{}{}", left / unit.milliseconds, unit.suffix);
    left %= unit.milliseconds;
  }
  return out;
}

std::string relative_text(TimePoint at, TimePoint now) {
  const auto gap = at > now ? at - now : now - at;
  const std::int64_t s = duration_cast<seconds>(gap).count();
  if (s < 1) return "now";
  const auto say = [&](std::int64_t n, std::string_view unit) {
    const std::string text = fmt::format("{} {}{}", n, unit, n == 1 ? "" : "s");
    return at > now ? "in " + text : text + " ago";
  };
  if (s < 120) return say(s, "second");
  if (s < 120 * 60) return say(s / 60, "minute");
  if (s < 48 * 3600) return say(s / 3600, "hour");
  if (s < 730LL * 86400) return say(s / 86400, "day");
  return say(s / (365LL * 86400 + 86400 / 4), "year");
}

}  // namespace pgcertd
