// Covers lib/core/weekly_window.cpp.
#include "core/weekly_window.hpp"

#include <gtest/gtest.h>

namespace pgcertd::weekly_window_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace std::chrono_literals;

std::vector<WeeklyWindow> parsed(std::string_view text) {
  const auto out = parse_weekly_windows(text);
  return out ? *out : std::vector<WeeklyWindow>{};
}

TEST(WeeklyWindows, AreRead) {
  EXPECT_EQ(parsed("Sun 02:00-04:00"), (std::vector<WeeklyWindow>{{Days{"1000000"}, 2h, 4h}}));
  EXPECT_EQ(parsed("23:30-01:15"), (std::vector<WeeklyWindow>{{Days{"1111111"}, 23h + 30min, 1h + 15min}}));
  EXPECT_EQ(parsed("Mon..Fri 01:00-02:00"), (std::vector<WeeklyWindow>{{Days{"0011111"}, 1h, 2h}}));
  EXPECT_EQ(parsed("Sat..Mon 01:00-02:00"), (std::vector<WeeklyWindow>{{Days{"1100001"}, 1h, 2h}})) << "over the end of the week";
  EXPECT_EQ(parsed("Mon..Sun 01:00-02:00"), (std::vector<WeeklyWindow>{{Days{"1111111"}, 1h, 2h}}));
  EXPECT_EQ(parsed("Sat,Sun 23:00-01:00, Tue 00:00-23:59"), (std::vector<WeeklyWindow>{{Days{"1100000"}, 23h, 1h}, {Days{"0000010"}, 0h, 23h + 59min}}));
}

TEST(WeeklyWindows, BlanksAndEachDigitAreTaken) {
  EXPECT_EQ(parsed("  Sun   02:00-04:00  ,  Mon 09:19-19:09 "), (std::vector<WeeklyWindow>{{Days{"1000000"}, 2h, 4h}, {Days{"0000001"}, 9h + 19min, 19h + 9min}}));
}

TEST(WeeklyWindows, OthersAreRefused) {
  for (const char* text : {"", "Sun", "Sun 2:00-04:00", "Sun 02:00-24:00", "Sun 02:60-04:00", "02:00-02:00", "Son 02:00-04:00", "Sun,02:00-04:00", "Sun 02:00-04:00,Mon", "Sun..Foo 02:00-04:00", "02:00/04:00", "02:000-04:00", "0200-04:00", "a2:00-04:00",
                           "0a:00-04:00", "02:+1-04:00", "/9:00-10:00", "-1:00-10:00"})
    EXPECT_FALSE(parse_weekly_windows(text)) << text;
}

}  // namespace
}  // namespace pgcertd::weekly_window_tests
