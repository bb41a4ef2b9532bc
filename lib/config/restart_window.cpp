#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "config/values.hpp"

namespace pgcertd::config {
namespace {

constexpr std::array<std::string_view, 7> week{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool is_day(std::string_view text) { return std::ranges::find(week, text) != week.end(); }

// "Sun", "Mon..Fri"; a range may run over the end of the week.
bool is_days(std::string_view text) {
  const auto dots = text.find("..");
  return dots == std::string_view::npos ? is_day(text) : is_day(text.substr(0, dots)) && is_day(text.substr(dots + 2));
}

bool is_number(std::string_view text, int limit) {
  return text.size() == 2 && text[0] >= '0' && text[0] <= '9' && text[1] >= '0' && text[1] <= '9' &&
         (text[0] - '0') * 10 + text[1] - '0' < limit;
}

bool is_clock(std::string_view text) {
  return text.size() == 5 && text[2] == ':' && is_number(text.substr(0, 2), 24) && is_number(text.substr(3), 60);
}

// "02:00-04:00"; one that ends before it begins crosses midnight.
bool is_times(std::string_view text) {
  return text.size() == 11 && text[5] == '-' && is_clock(text.substr(0, 5)) && is_clock(text.substr(6)) &&
         text.substr(0, 5) != text.substr(6);
}

}  // namespace

Result<std::string> restart_window(const std::string& text) {
  const auto bad = [&](std::string_view part, std::string_view why) {
    return fail(Errc::invalid, fmt::format("\"{}\" is no window of time: {}", printable(part, 60), why),
                "write it like Sun 02:00-04:00, Mon..Fri 01:00-02:00 or 02:00-03:00; join several with commas");
  };
  bool days_wait = false;         // "Sat," of "Sat,Sun 02:00-04:00"
  for (std::string_view rest = text;;) {
    const auto comma = rest.find(',');
    const std::string_view part = trim(rest.substr(0, comma));
    const auto space = part.find(' ');
    const bool with_days = space != std::string_view::npos;
    if (is_days(part)) {
      days_wait = true;
    } else {
      if (with_days && !is_days(part.substr(0, space))) return bad(part, "days are Mon Tue Wed Thu Fri Sat Sun");
      if (!with_days && days_wait) return bad(part, "the days before it have no times");
      if (!is_times(with_days ? trim(part.substr(space)) : part)) return bad(part, "times are HH:MM-HH:MM, and the two differ");
      days_wait = false;
    }
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (days_wait) return bad(text, "its times are missing");
  return text;
}

}  // namespace pgcertd::config
