#include "cli/rotation_watch.hpp"

#include <gmock/gmock.h>

#include "unit/cli/fixtures.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;
using testing::HasSubstr;

json event(int id, const std::string& cluster, const std::string& kind) {
  return {{"id", id}, {"at", "2026-01-01T00:00:00Z"}, {"cluster", cluster}, {"kind", kind}, {"message", ""}};
}

json events(std::vector<json> list) { return {{"schema", 1}, {"events", list}}; }

TEST(RotationWatch, EndsWithItsOwnNewEventOnly) {
  RotationWatch watch("main", 10);
  EXPECT_TRUE(watch.feed(events({event(9, "main", "rotation-proved"), event(10, "main", "rotation-failed")})).empty());
  EXPECT_EQ(watch.feed(events({event(11, "other", "rotation-proved"), event(12, "main", "staged")})).size(), 1U);
  EXPECT_EQ(watch.end(), std::nullopt);
  EXPECT_EQ(watch.last_id(), 12);
  EXPECT_EQ(
      watch.feed(events({event(12, "main", "staged"), event(13, "main", "rotation-proved"), event(14, "main", "rotation-failed")}))
          .size(),
      2U);
  EXPECT_EQ(watch.end(), ExitCode::done);  // the first end is the end
}

TEST(RotationWatch, EachEndHasItsCode) {
  struct Row {
    const char* kind;
    ExitCode expected;
  };
  for (const Row row :
       {Row{"rotation-proved", ExitCode::done}, Row{"rolled-back", ExitCode::failed}, Row{"rotation-failed", ExitCode::failed}}) {
    RotationWatch watch("main", 0);
    (void)watch.feed(events({event(1, "main", row.kind)}));
    EXPECT_EQ(watch.end(), row.expected) << row.kind;
  }
  RotationWatch paused("main", 0);
  json cluster = healthy_cluster();
  cluster["rotation"]["paused_until"] = "2026-01-02T00:00:00Z";
  paused.look({{"cluster", cluster}});
  EXPECT_EQ(paused.end(), ExitCode::refused);
}

TEST(RotationWatch, ATakeoverWithoutConsentEndsIt) {
  RotationWatch watch("main", 0);
  watch.look(json::parse(R"({"name":"main","rotation":{"stage":"nothing","need":"absent","paused_until":null,"last_error":null},
                             "problems":[{"code":"takeover-needed"}]})"));
  EXPECT_EQ(watch.end(), ExitCode::refused);
  EXPECT_NE(watch.refusal().find("pgcertctl takeover main"), std::string::npos) << watch.refusal();
}

TEST(RotationWatch, APassEndsWhereNothingIsLeftToDo) {
  RotationWatch watch("main", 0, Watched::pass);
  json cluster = healthy_cluster();
  cluster["rotation"]["stage"] = "proved", cluster["rotation"]["need"] = "none", cluster["rotation"]["paused_until"] = nullptr;
  watch.look(cluster);
  EXPECT_EQ(watch.end(), std::nullopt) << "this may be from before it began";
  (void)watch.feed(events({event(1, "main", "rotation-asked"), event(2, "main", "crl-installed")}));
  EXPECT_EQ(watch.end(), std::nullopt);
  watch.rest(cluster);
  EXPECT_EQ(watch.end(), ExitCode::done);
  EXPECT_THAT(watch.summary(), HasSubstr("1 step(s)"));

  RotationWatch waits("main", 0, Watched::pass);
  cluster["rotation"]["stage"] = "published";
  waits.rest(cluster);
  EXPECT_EQ(waits.end(), std::nullopt) << "a restart may be wanted";
  (void)waits.feed(events({event(1, "main", "rolled-back")}));
  EXPECT_EQ(waits.end(), ExitCode::failed);
}

TEST(RotationWatch, KnowsWhereItStands) {
  RotationWatch watch("main", 0);
  json cluster = healthy_cluster();
  cluster["rotation"]["stage"] = "requested";
  cluster["rotation"]["last_error"] = "sign: \x1b[31mno";
  watch.look(cluster);
  EXPECT_EQ(watch.end(), std::nullopt);
  EXPECT_EQ(watch.standing(), "stage requested, last error: sign: \\x1b[31mno");
}

TEST(RotationWatch, OddJsonIsNoEnd) {
  RotationWatch watch("main", 0);
  for (const json& odd :
       {json(), json(1), json::array(), json{{"events", 1}}, json{{"events", {1, nullptr, "x", {{"id", "y"}}}}}}) {
    EXPECT_TRUE(watch.feed(odd).empty());
    watch.look(odd);
  }
  EXPECT_EQ(watch.end(), std::nullopt);
  EXPECT_EQ(highest_id(json{{"events", {event(3, "a", "b"), event(9, "a", "b"), event(4, "a", "b")}}}, 1), 9);
  EXPECT_EQ(highest_id(json(), 5), 5);
}

}  // namespace
}  // namespace pgcertd::cli
