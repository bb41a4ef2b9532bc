#include "cli/views.hpp"

#include <gmock/gmock.h>

#include <sstream>

#include "cli/layout.hpp"
#include "unit/cli/fixtures.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const Style plain;

void expect_printable_page(const std::string& text) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(display_width(line), page_width) << line;
    for (const char c : line) EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << line;
    EXPECT_FALSE(line.ends_with(' ')) << '"' << line << '"';
  }
}

TEST(StatusView, TellsAHealthyCluster) {
  const std::string text = status_view(healthy_status(), now, plain);
  EXPECT_THAT(text,
              AllOf(HasSubstr("OK  pgcertd 0.1.0, as of 2025-12-31T23:59:30Z (30 seconds ago)"),
                    HasSubstr("PostgreSQL 15.18, ssl on"), HasSubstr("2026-04-01T00:00:00Z (in 90 days)"),
                    HasSubstr("same as the file, verify ok"), HasSubstr("proved, generation 7"), HasSubstr("limited by the\n"),
                    HasSubstr(" " + std::string(64, 'b') + "\n"), HasSubstr("db1.example.org, 10.0.0.5")));
  EXPECT_THAT(text, AllOf(Not(HasSubstr("remedy")), Not(HasSubstr("paused")), Not(HasSubstr("last error"))));
  expect_printable_page(text);
}

TEST(CrlsView, SaysWhatManyEntriesCost) {
  json status = healthy_status();
  EXPECT_THAT(crls_view(status, now, plain), Not(HasSubstr("PostgreSQL reads")));
  status["issuers"][0]["crl"]["revoked"] = 10'000;
  status["clusters"][0]["crl"] = json::array({{{"issuer", "CN=other"}, {"number", "1"}, {"next_update", "2026-01-30T00:00:00Z"}, {"revoked", 2'000'000}}});
  const std::string text = crls_view(status, now, plain);
  EXPECT_THAT(text, AllOf(HasSubstr("\nlocal: 10000 entries: PostgreSQL reads"), HasSubstr("\ncluster main: 2000000 entries: ")));
  expect_printable_page(text);
}

TEST(StatusView, ShowsProblemsWithRemedyAndAge) {
  const std::string text = status_view(critical_status(), now, plain);
  EXPECT_THAT(text, AllOf(HasSubstr("CRITICAL served-stale main"), HasSubstr("127.0.0.1:5432 serves 40aa"),
                          HasSubstr("DIFFERENT from the file"), HasSubstr("since 2025-12-31T21:00:00Z (3 hours ago)"),
                          HasSubstr("remedy: pgcertctl rotate main"), HasSubstr("more: pgcertctl explain ")));
  expect_printable_page(text);
}

TEST(StatusView, SeveralClustersAreATable) {
  json status = healthy_status();
  status["clusters"].push_back(healthy_cluster(std::string(63, 'n')));
  const std::string text = status_view(status, now, plain);
  EXPECT_THAT(text, AllOf(HasSubstr("CLUSTER"), HasSubstr("2026-03-02T00:00:00Z")));
  expect_printable_page(text);
}

TEST(StatusView, HostileTextStaysOnThePage) {
  for (const auto& view : {status_view, runway_view}) expect_printable_page(view(hostile_status(), now, plain));
  expect_printable_page(cluster_view(hostile_status()["clusters"][0], now, plain));
}

TEST(StatusView, OddJsonNeverThrows) {
  for (const json& odd :
       {json(), json(7), json::array({1, 2}), json{{"clusters", 3}}, json{{"clusters", {nullptr, "x", {{"served", {1, nullptr}}}}}},
        json{{"clusters", {{{"certificate", 1}, {"rotation", "x"}, {"problems", {nullptr}}}}}, {"issuers", {nullptr}}}}) {
    for (const auto& view : {status_view, runway_view, cluster_view, event_line, plan_view})
      EXPECT_FALSE(view(odd, now, plain).empty());
  }
}

TEST(StatusView, AnEndpointWithoutCertificateSaysWhy) {
  json cluster = healthy_cluster();
  cluster["served"][0] = {{"endpoint", "10.0.0.5:5432"},
                          {"outcome", "ssl-refused"},
                          {"serial", nullptr},
                          {"matches_file", nullptr},
                          {"verify", "the server answered N"}};
  EXPECT_THAT(cluster_view(cluster, now, plain), HasSubstr("10.0.0.5:5432: ssl-refused, the server answered N"));
}

TEST(StatusView, ReadsAClusterBareOrWrapped) {
  EXPECT_EQ(cluster_view({{"schema", 1}, {"cluster", healthy_cluster()}}, now, plain), cluster_view(healthy_cluster(), now, plain));
}

TEST(StatusView, ColourOnlyWhenAsked) {
  EXPECT_THAT(status_view(critical_status(), now, plain), Not(HasSubstr("\x1b[")));
  EXPECT_THAT(status_view(critical_status(), now, Style(true)), HasSubstr("\x1b[1;31mCRITICAL\x1b[0m"));
}

TEST(RunwayView, NamesTheLimit) {
  const json visit = {{"from", "2026-06-01T00:00:00Z"}, {"until", "2027-01-01T00:00:00Z"}, {"what", json::array({"a new certificate of the issuing CA"})}};
  const json date = {{"at", "2027-01-01T00:00:00Z"}, {"what", "the issuing CA ends"}};
  const json row = {{"cluster", "main"}, {"ends_at", "2027-01-01T00:00:00Z"}, {"needed_at", "2026-06-01T00:00:00Z"}, {"limited_by", "issuing_ca"}};
  const json runway = {{"runway", json::array({row})}, {"visits", json::array({visit})}, {"dates", json::array({date})}};
  EXPECT_THAT(runway_view(runway, now, plain), AllOf(HasSubstr("main"), HasSubstr("2027-01-01T00:00:00Z"), HasSubstr("the issuing CA"), HasSubstr("VISIT OF THE ROOT"), HasSubstr("DATE")));
  EXPECT_EQ(runway_view({{"runway", json::array()}}, now, plain), "no cluster is configured\n");
}

TEST(EventLine, IsOneLine) {
  const json event = {{"id", 4},
                      {"at", "2025-12-31T23:59:00Z"},
                      {"cluster", "main"},
                      {"kind", "rotation-proved"},
                      {"message", "serial 41\nc0"},
                      {"fields", json::object()}};
  EXPECT_EQ(event_line(event, now, plain), "2025-12-31T23:59:00Z (60 seconds ago) main: rotation-proved serial 41\\x0ac0\n");
}

TEST(PlanView, TellsNeedActionAndReasons) {
  const json reply = {{"accepted", false},
                      {"message", "not due until 2026-03-02T00:00:00Z"},
                      {"plan",
                       {{"need", "due"},
                        {"stage", "nothing"},
                        {"action", {{"name", "make-key"}, {"description", "make a key"}}},
                        {"reasons", {"two thirds of the life are over"}},
                        {"wake_at", "2026-01-01T01:00:00Z"}}}};
  EXPECT_THAT(plan_view(reply, now, plain), AllOf(HasSubstr("not due until"), HasSubstr("need:    due"), HasSubstr("make a key"),
                                                  HasSubstr("two thirds"), HasSubstr("(in 60 minutes)")));
}

}  // namespace
}  // namespace pgcertd::cli
