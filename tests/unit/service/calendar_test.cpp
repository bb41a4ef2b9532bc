// Covers lib/service/calendar.cpp: local time to UTC, over both changes of summer time.
#include "service/calendar.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

namespace pgcertd::calendar_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace std::chrono_literals;
using service::intervals_of;

class InZone {
 public:
  explicit InZone(const char* zone) {
    if (const char* old = std::getenv("TZ")) old_ = old;
    setenv("TZ", zone, 1);
    tzset();
  }
  InZone(const InZone&) = delete;
  InZone& operator=(const InZone&) = delete;
  ~InZone() {
    if (old_) setenv("TZ", old_->c_str(), 1);
    else unsetenv("TZ");
    tzset();
  }

 private:
  std::optional<std::string> old_;
};

// "begin/end …" of the first windows from `now` on.
std::string windows(const char* zone, const char* text, const char* now, Duration span = std::chrono::days{2}) {
  const InZone in{zone};
  std::string out;
  for (const Interval& one : intervals_of(*parse_weekly_windows(text), *parse_rfc3339(now), span)) out += (out.empty() ? "" : " ") + to_rfc3339(one.begin) + "/" + to_rfc3339(one.end);
  return out;
}

TEST(Calendar, LocalTimeBecomesUtc) {
  EXPECT_EQ(windows("UTC", "02:00-04:00", "2026-01-05T00:00:00Z", 24h), "2026-01-05T02:00:00Z/2026-01-05T04:00:00Z");
  EXPECT_EQ(windows("Europe/Berlin", "02:00-04:00", "2026-01-05T00:00:00Z", 24h), "2026-01-05T01:00:00Z/2026-01-05T03:00:00Z");
  EXPECT_EQ(windows("Europe/Berlin", "02:00-04:00", "2026-07-06T00:00:00Z", 24h), "2026-07-06T00:00:00Z/2026-07-06T02:00:00Z");
  EXPECT_EQ(windows("America/New_York", "Sun 02:00-04:00", "2026-01-10T00:00:00Z"), "2026-01-11T07:00:00Z/2026-01-11T09:00:00Z");
}

TEST(Calendar, OnlyOnItsDaysAndAcrossMidnight) {
  EXPECT_EQ(windows("UTC", "Sun 02:00-04:00", "2026-01-05T00:00:00Z", std::chrono::days{6}), "") << "a Monday";
  EXPECT_EQ(windows("UTC", "Sun 02:00-04:00", "2026-01-05T00:00:00Z", std::chrono::days{8}), "2026-01-11T02:00:00Z/2026-01-11T04:00:00Z");
  EXPECT_EQ(windows("UTC", "Sun 23:00-01:00", "2026-01-12T00:30:00Z"), "2026-01-11T23:00:00Z/2026-01-12T01:00:00Z") << "it began yesterday";
  EXPECT_EQ(windows("UTC", "Sun 23:00-01:00", "2026-01-12T01:00:00Z"), "") << "it is over";
  EXPECT_EQ(windows("UTC", "04:00-05:00, 02:00-03:00", "2026-01-05T00:00:00Z", 24h), "2026-01-05T02:00:00Z/2026-01-05T03:00:00Z 2026-01-05T04:00:00Z/2026-01-05T05:00:00Z");
}

TEST(Calendar, TheHourThatIsMissingHasNoWindow) {
  // Berlin 2026-03-29: 02:00 becomes 03:00, which is 01:00 UTC.
  EXPECT_EQ(windows("Europe/Berlin", "Sun 02:00-04:00", "2026-03-28T12:00:00Z"), "2026-03-29T01:00:00Z/2026-03-29T02:00:00Z");
  EXPECT_EQ(windows("Europe/Berlin", "Sun 02:15-02:45", "2026-03-28T12:00:00Z"), "");
  EXPECT_EQ(windows("Europe/Berlin", "Sun 01:30-02:30", "2026-03-28T12:00:00Z"), "2026-03-29T00:30:00Z/2026-03-29T01:00:00Z");
  // New York 2026-03-08: 02:00 becomes 03:00, which is 07:00 UTC.
  EXPECT_EQ(windows("America/New_York", "Sun 02:30-03:30", "2026-03-07T12:00:00Z"), "2026-03-08T07:00:00Z/2026-03-08T07:30:00Z");
  EXPECT_EQ(windows("America/New_York", "Sat 23:00-03:00", "2026-03-07T12:00:00Z"), "2026-03-08T04:00:00Z/2026-03-08T07:00:00Z") << "three hours long";
}

TEST(Calendar, TheHourThatComesTwiceIsInsideBothTimes) {
  // Berlin 2026-10-25: 03:00 becomes 02:00, which is 01:00 UTC.
  EXPECT_EQ(windows("Europe/Berlin", "Sun 02:00-04:00", "2026-10-24T12:00:00Z"), "2026-10-25T00:00:00Z/2026-10-25T03:00:00Z");
  EXPECT_EQ(windows("Europe/Berlin", "Sun 02:15-02:45", "2026-10-24T12:00:00Z"), "2026-10-25T00:15:00Z/2026-10-25T01:45:00Z");
  // New York 2026-11-01: 02:00 becomes 01:00, which is 06:00 UTC.
  EXPECT_EQ(windows("America/New_York", "Sun 00:30-01:30", "2026-10-31T12:00:00Z"), "2026-11-01T04:30:00Z/2026-11-01T06:30:00Z");
}

}  // namespace
}  // namespace pgcertd::calendar_tests
