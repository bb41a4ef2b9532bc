#include "base/time.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

namespace pgcertd {
namespace {

TEST(Duration, ReadsWhatItWrites) {
  struct Row {
    const char* text;
    std::int64_t milliseconds;
  };
  constexpr std::array<Row, 11> rows{{{"0s", 0},
                                      {"500ms", 500},
                                      {"45s", 45'000},
                                      {"30m", 1'800'000},
                                      {"12h", 43'200'000},
                                      {"90d", 7'776'000'000},
                                      {"1d12h", 129'600'000},
                                      {"1m500ms", 60'500},
                                      {"1d1h1m1s1ms", 90'061'001},
                                      {"400d", 34'560'000'000},
                                      {"1s1ms", 1'001}}};
  for (const auto& [text, milliseconds] : rows) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->count(), milliseconds) << text;
    EXPECT_EQ(to_text(*parsed), text);
  }
  EXPECT_EQ(parse_duration("36h")->count(), parse_duration("1d12h")->count());
  EXPECT_EQ(to_text(std::chrono::hours{36}), "1d12h");
  EXPECT_EQ(to_text(-std::chrono::minutes{90}), "-1h30m");
  EXPECT_EQ(parse_duration("007s")->count(), 7'000);
}

TEST(Duration, RefusesAnythingElse) {
  for (const char* text : {"",
                           "d",
                           "1",
                           "1 d",
                           " 1d",
                           "1d ",
                           "1.5h",
                           "-1d",
                           "+1d",
                           "1D",
                           "1w",
                           "1y",
                           "12h1d",
                           "1h1h",
                           "1ms1s",
                           "1d12",
                           "0x10s",
                           "99999999999999999999d",
                           "9223372036854775807s",
                           "106751991168d",
                           "1d\n"}) {
    const auto parsed = parse_duration(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::parse);
    EXPECT_FALSE(parsed.error().remedy.empty());
  }
  // The sum overflows, no part of it does.
  EXPECT_FALSE(parse_duration("53375995583d53375995583000000h"));
  EXPECT_FALSE(parse_duration(std::string("1d\0", 3)));
  EXPECT_EQ(parse_duration("9\t ").error().what.find('\t'), std::string::npos) << "what is told is printable";
}

TEST(Rfc3339, ReadsWhatItWrites) {
  struct Row {
    const char* text;
    std::int64_t unix_seconds;
    const char* compact;
  };
  constexpr std::array<Row, 10> rows{{{"1970-01-01T00:00:00Z", 0, "19700101T000000Z"},
                                      {"1969-12-31T23:59:59Z", -1, "19691231T235959Z"},
                                      {"2000-02-29T12:00:00Z", 951'825'600, "20000229T120000Z"},
                                      {"2024-02-29T23:59:59Z", 1'709'251'199, "20240229T235959Z"},
                                      {"2026-01-01T00:00:00Z", 1'767'225'600, "20260101T000000Z"},
                                      {"2038-01-19T03:14:08Z", 2'147'483'648, "20380119T031408Z"},
                                      {"2049-12-31T23:59:59Z", 2'524'607'999, "20491231T235959Z"},
                                      {"2050-01-01T00:00:00Z", 2'524'608'000, "20500101T000000Z"},
                                      {"2100-02-28T00:00:00Z", 4'107'456'000, "21000228T000000Z"},
                                      {"9999-12-31T23:59:59Z", 253'402'300'799, "99991231T235959Z"}}};
  for (const auto& [text, seconds, compact] : rows) {
    const auto parsed = parse_rfc3339(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(to_unix(*parsed), seconds) << text;
    EXPECT_EQ(to_rfc3339(from_unix(seconds)), text);
    EXPECT_EQ(to_compact_utc(from_unix(seconds)), compact);
  }
  EXPECT_EQ(*parse_rfc3339("9999-12-31T23:59:59Z"), no_expiry);
  EXPECT_EQ(*parse_rfc3339("2026-01-01t00:00:00z"), from_unix(1'767'225'600));
}

TEST(Rfc3339, RefusesWhatIsNoMoment) {
  for (const char* text :
       {"", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+00:00", "2026-01-01 00:00:00Z", "2023-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:0-Z", "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Zx", "2026-1-01T00:00:00ZZ", "202601-01T00:00:00ZZ"})
    EXPECT_FALSE(parse_rfc3339(text)) << text;
}

TEST(Rfc3339, CutsFractionsDownwardsAlsoBefore1970) {
  EXPECT_EQ(to_rfc3339(TimePoint{Duration{999}}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(TimePoint{Duration{-1}}), "1969-12-31T23:59:59Z");
  EXPECT_EQ(to_unix(TimePoint{Duration{-1}}), -1);
}

TEST(RelativeText, SaysHowLongAgoOrAhead) {
  const TimePoint now = from_unix(1'767'225'600);
  using std::chrono::days;
  using std::chrono::hours;
  using std::chrono::minutes;
  using std::chrono::seconds;
  EXPECT_EQ(relative_text(now, now), "now");
  EXPECT_EQ(relative_text(now + Duration{999}, now), "now");
  EXPECT_EQ(relative_text(now - seconds{1}, now), "1 second ago");
  EXPECT_EQ(relative_text(now + minutes{2}, now), "in 2 minutes");
  EXPECT_EQ(relative_text(now - hours{3}, now), "3 hours ago");
  EXPECT_EQ(relative_text(now + days{90}, now), "in 90 days");
  EXPECT_EQ(relative_text(no_expiry, now), "in 7973 years");
}

}  // namespace
}  // namespace pgcertd
