#include "cli/check.hpp"

#include <gmock/gmock.h>

#include <chrono>

#include "unit/cli/fixtures.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

CheckOptions options() {
  CheckOptions all;
  all.stale_after = std::chrono::hours{2};
  return all;
}

TEST(Check, OkWithPerfdata) {
  const CheckResult result = check(healthy_status(), options(), now);
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.line,
            "PGCERTD OK - main: certificate ends 2026-04-01T00:00:00Z (in 90 days) | 'main_certificate_left'=7776000s;; "
            "'main_runway'=31536000s "
            "'main_problems'=0;;;0");
}

TEST(Check, TheWorstProblemIsSaidAndTheOthersCounted) {
  const CheckResult result = check(critical_status(), options(), now);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(
      result.line,
      StartsWith("PGCERTD CRITICAL - main: served-stale: 127.0.0.1:5432 serves 40aa, the file has 41c0ffee (and 1 more) |"));
}

TEST(Check, OnlyTheCodesThatAreAskedFor) {
  CheckOptions some = options();
  some.only = {"file-permissions"};
  EXPECT_EQ(check(critical_status(), some, now).exit_code, 1);
  some.only = {"crl-expired"};
  EXPECT_EQ(check(critical_status(), some, now).exit_code, 0);
}

TEST(Check, ThresholdsCompareTheTimeLeftOfWhatIsServed) {
  struct Row {
    int warning_days, critical_days, expected;
  };
  for (const Row row : {Row{30, 10, 0}, Row{90, 10, 0}, Row{91, 10, 1}, Row{120, 91, 2}, Row{10, 91, 2}}) {
    CheckOptions given = options();
    given.warning = std::chrono::days{row.warning_days};
    given.critical = std::chrono::days{row.critical_days};
    EXPECT_EQ(check(healthy_status(), given, now).exit_code, row.expected) << row.warning_days << " " << row.critical_days;
  }
  json status = healthy_status();
  status["clusters"][0]["served"][0]["not_after"] = "2026-01-02T00:00:00Z";  // an older one than the file's
  CheckOptions given = options();
  given.critical = std::chrono::days{2};
  EXPECT_EQ(check(status, given, now).exit_code, 2);
  EXPECT_THAT(check(status, given, now).line, HasSubstr("'main_certificate_left'=86400s;;172800:"));
}

TEST(Check, UnknownRatherThanOk) {
  CheckOptions other = options();
  other.cluster = "other";
  EXPECT_EQ(check(healthy_status(), other, now).exit_code, 3);
  EXPECT_EQ(check(healthy_status(), options(), now + std::chrono::hours{3}).exit_code, 3);  // nobody keeps it
  for (const char* missing : {"schema", "generated_at"}) {
    json status = healthy_status();
    status.erase(missing);
    EXPECT_EQ(check(status, options(), now).exit_code, 3) << missing;
  }
  json none = healthy_status();
  none["clusters"] = json::array();
  EXPECT_EQ(check(none, options(), now).exit_code, 3);
  for (const json& odd : {json(), json(1), json::array(), json{{"schema", 1}}}) EXPECT_EQ(check(odd, options(), now).exit_code, 3);
  json word = healthy_status();
  word["clusters"][0]["status"] = "splendid";
  EXPECT_EQ(check(word, options(), now).exit_code, 3);
}

TEST(Check, AStatusThatNoProblemExplainsStillCounts) {
  json status = healthy_status();
  status["clusters"][0]["status"] = "critical";
  EXPECT_EQ(check(status, options(), now).exit_code, 2);
  json daemon = healthy_status();
  daemon["status"] = "warning";
  EXPECT_EQ(check(daemon, options(), now).exit_code, 1);
}

TEST(Check, ProblemsOfDaemonAndIssuersCount) {
  json status = healthy_status();
  status["problems"] = {problem("state-unwritable", "critical", "no space")};
  EXPECT_EQ(check(status, options(), now).exit_code, 2);
  json issuer = healthy_status();
  issuer["issuers"][0]["problems"] = {problem("issuing-ca-expiring", "warning", "soon")};
  EXPECT_EQ(check(issuer, options(), now).exit_code, 1);
}

TEST(Check, HostileTextCannotForgeALineOrPerfdata) {
  const std::string line = check(hostile_status(), options(), now).line;
  EXPECT_THAT(line, Not(HasSubstr("\n")));
  EXPECT_THAT(line, Not(HasSubstr("\x1b")));
  EXPECT_EQ(std::count(line.begin(), line.end(), '|'), 1);
  EXPECT_LT(line.size(), 1000U);
}

}  // namespace
}  // namespace pgcertd::cli
