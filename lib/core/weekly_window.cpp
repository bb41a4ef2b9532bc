#include "core/weekly_window.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/text.hpp"

namespace pgcertd {
namespace {

constexpr std::array<std::string_view, 7> week{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<unsigned> day(std::string_view text) {
  const auto found = std::ranges::find(week, text);
  return found == week.end() ? std::nullopt : std::optional{static_cast<unsigned>(found - week.begin())};
}

// "Sun", "Mon..Fri"; a range may run over the end of the week.
std::optional<Days> named_days(std::string_view text) {
  const auto dots = text.find("..");
  const auto first = day(text.substr(0, dots)), last = dots == std::string_view::npos ? first : day(text.substr(dots + 2));
  if (!first || !last) return std::nullopt;
  Days out;
  for (unsigned d = *first;; d = (d + 1) % 7) {
    out.set(d);
    if (d == *last) return out;
  }
}

std::optional<int> number_below(std::string_view text, int limit) {
  int number{};
  if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number < limit ? std::optional{number} : std::nullopt;
}

// Of five characters.
std::optional<std::chrono::minutes> clock_time(std::string_view text) {
  if (text[2] != ':') return std::nullopt;
  const auto hour = number_below(text.substr(0, 2), 24), minute = number_below(text.substr(3), 60);
  if (!hour || !minute) return std::nullopt;
  return std::chrono::hours{*hour} + std::chrono::minutes{*minute};
}

// "02:00-04:00"; one that ends before it begins crosses midnight.
std::optional<WeeklyWindow> times(std::string_view text) {
  if (text.size() != 11 || text[5] != '-') return std::nullopt;
  const auto begin = clock_time(text.substr(0, 5)), end = clock_time(text.substr(6));
  if (!begin || !end || *begin == *end) return std::nullopt;
  return WeeklyWindow{{}, *begin, *end};
}

}  // namespace

Result<std::vector<WeeklyWindow>> parse_weekly_windows(std::string_view text) {
  const auto bad = [](std::string_view part, std::string_view why) {
    return fail(Errc::invalid, fmt::format("\"{}\" is no window of time: {}", printable(part, 60), why),
                "write it like Sun 02:00-04:00, Mon..Fri 01:00-02:00 or 02:00-03:00; join several with commas");
  };
  std::vector<WeeklyWindow> out;
  Days before;                    // "Sat," of "Sat,Sun 02:00-04:00"
  for (std::string_view rest = text;;) {
    const auto comma = rest.find(',');
    const std::string_view part = trim(rest.substr(0, comma));
    const auto space = part.find(' ');
    const bool with_days = space != std::string_view::npos;
    if (const auto alone = named_days(part)) {
      before |= *alone;
    } else {
      const auto named = with_days ? named_days(part.substr(0, space)) : std::nullopt;
      if (with_days && !named) return bad(part, "days are Mon Tue Wed Thu Fri Sat Sun");
      if (!with_days && before.any()) return bad(part, "the days before it have no times");
      auto window = times(with_days ? trim(part.substr(space)) : part);
      if (!window) return bad(part, "times are HH:MM-HH:MM, and the two differ");
      window->days = named ? *named | before : Days{}.set();
      out.push_back(*window);
      before.reset();
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (before.any()) return bad(text, "its times are missing");
  return out;
}

}  // namespace pgcertd
