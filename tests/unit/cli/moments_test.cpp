// Covers lib/cli/moments.cpp.
#include "cli/moments.hpp"

#include <gtest/gtest.h>

namespace pgcertd::cli {
namespace {

TEST(Moments, EachTimeGetsItsDistanceOnce) {
  const TimePoint now = parse_rfc3339("2026-01-01T00:00:00Z").value();
  struct Row {
    const char *text, *expected;
  };
  for (const Row& row : {Row{"", ""}, Row{"no time", "no time"}, Row{"until 2026-01-04T00:00:00Z: why", "until 2026-01-04T00:00:00Z (in 3 days): why"}, Row{"2025-12-31T22:00:00Z", "2025-12-31T22:00:00Z (2 hours ago)"},
                         Row{"2026-01-04T00:00:00Z (in 3 days) and 2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z (in 3 days) and 2026-01-01T00:00:00Z (now)"}, Row{"until 9999-12-31T23:59:59Z", "until 9999-12-31T23:59:59Z (never)"},
                         Row{"2026-13-04T00:00:00Z", "2026-13-04T00:00:00Z"}, Row{"/a/2026-01-04T00:00:00Z", "/a/2026-01-04T00:00:00Z"}, Row{"2026-01-04T00:00:00Zx", "2026-01-04T00:00:00Zx"}, Row{"2026-01-04T00:00", "2026-01-04T00:00"}})
    EXPECT_EQ(with_relative_times(row.text, now), row.expected);
}

}  // namespace
}  // namespace pgcertd::cli
