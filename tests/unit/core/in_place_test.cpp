// Covers the rules of layout in-place in lib/core/plan_live.cpp, walk.cpp and judge.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::in_place_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using ::testing::HasSubstr;
using State = InPlacePath::State;

// Links lead to the current generation, the settings name their own paths, all is proved.
Case linked() {
  Case c;
  c.desired.cluster.layout = Layout::in_place;
  c.seen.in_place = InPlaceSeen{{"/data/server.crt", State::linked, t0}, {"/data/server.key", State::linked, t0}, {}};
  c.seen.live.cert_path = "/data/server.crt", c.seen.live.linked = true;
  c.seen.server.settings["ssl_cert_file"].value = "server.crt", c.seen.server.settings["ssl_key_file"].value = "server.key";
  c.seen.memory.linked_at = t0;
  return c;
}

// The settings name pgcertd's files, as layout `managed` has it.
Case managed_before() {
  Case c;
  c.desired.cluster.layout = Layout::in_place;
  c.seen.in_place = InPlaceSeen{{"/data/server.crt", State::missing, {}}, {"/data/server.key", State::file, t0}, {}};
  c.seen.memory.original_auto_conf = std::map<std::string, std::optional<std::string>>{{"ssl_cert_file", "own.crt"}, {"ssl_key_file", std::nullopt}};
  return c;
}

template <class A>
A action_of(const Case& c) {
  const auto action = c.plan().action;
  if (action && std::holds_alternative<A>(*action)) return std::get<A>(*action);
  ADD_FAILURE() << "the next step is " << c.step();
  return {};
}

std::string why(const Case& c) {
  const auto reasons = c.plan().reasons;
  return reasons.empty() ? std::string{} : reasons.back();
}

TEST(InPlace, RestsWhenBothPathsAreLinks) {
  EXPECT_EQ(linked().step(), "rest");
  EXPECT_EQ(linked().plan().stage, Stage::proved);
}

TEST(InPlace, LinksTheCertificateThenTheKeyThenTheSettings) {
  Case c = managed_before();
  EXPECT_EQ(action_of<action::LinkLive>(c).role, FileRole::certificate);
  EXPECT_EQ(action_of<action::LinkLive>(c).path, "/data/server.crt");
  c.seen.in_place->certificate.state = State::linked;
  EXPECT_EQ(action_of<action::LinkLive>(c).role, FileRole::key);
  EXPECT_EQ(action_of<action::LinkLive>(c).path, "/data/server.key");
  c.seen.in_place->key.state = State::linked;
  const auto change = action_of<action::ChangeSettings>(c);
  EXPECT_EQ(change.change.values, (std::map<std::string, std::optional<std::string>>{{"ssl_cert_file", "own.crt"}, {"ssl_key_file", std::nullopt}}));
  EXPECT_EQ(change.why, "the server's former paths are links now");
}

TEST(InPlace, OnlyWhatIsRememberedIsPutBack) {
  Case c = managed_before();
  c.seen.in_place->certificate.state = c.seen.in_place->key.state = State::linked;
  c.seen.memory.original_auto_conf->erase("ssl_key_file");
  EXPECT_EQ(action_of<action::ChangeSettings>(c).change.values.size(), 1U);
  c.seen.memory.original_auto_conf.reset();
  EXPECT_EQ(c.step(), "rest") << "nothing is known to put back";
}

// Settings that lead elsewhere, and both paths are links already: there is nothing to change by settings.
TEST(InPlace, SettingsOfSomebodyElseAreNotPutBack) {
  Case c = managed_before();
  c.seen.in_place->certificate.state = c.seen.in_place->key.state = State::linked;
  c.seen.live.ours = false, c.seen.live.judgement.loads = false;
  c.seen.probes.clear();
  EXPECT_EQ(c.step(), "rest");
}

TEST(InPlace, BackToManaged) {
  Case c = linked();
  c.desired.cluster.layout = Layout::managed;
  const auto change = action_of<action::ChangeSettings>(c);
  EXPECT_EQ(change.change.values, (std::map<std::string, std::optional<std::string>>{{"ssl_cert_file", "/s/clusters/main/current/server.crt"}, {"ssl_key_file", "/s/clusters/main/current/server.key"}}));
  EXPECT_EQ(change.why, "layout is \"managed\" again");
}

TEST(InPlace, WhereNoLinkMayStandTheSettingsLeadToUsAndSayWhy) {
  Case c = managed_before();
  c.tls_off();
  c.seen.in_place->refused = "the directory is writable by others";
  auto change = action_of<action::ChangeSettings>(c);
  EXPECT_EQ(change.change.values["ssl_cert_file"], "/s/clusters/main/current/server.crt");
  EXPECT_THAT(change.why, HasSubstr("links in their place are not possible: the directory is writable by others"));
  c.desired.cluster.layout = Layout::managed;
  change = action_of<action::ChangeSettings>(c);
  EXPECT_EQ(change.why, "the server's settings do not name pgcertd's files yet");
  c.desired.cluster.layout = Layout::in_place, c.seen.in_place->refused.clear();
  EXPECT_EQ(action_of<action::LinkLive>(c).role, FileRole::certificate);
}

TEST(InPlace, WaitsUntilThePathsCanBeLookedAt) {
  Case c = managed_before();
  c.tls_off();
  c.seen.in_place.reset();
  EXPECT_EQ(c.step(), "rest");
  EXPECT_THAT(why(c), HasSubstr("cannot be looked at"));
}

TEST(InPlace, TheLinksOfAClusterThatIsManagedAreNobodysConcern) {
  Case c = linked();
  c.desired.cluster.layout = Layout::managed, c.seen.live.linked = false;
  c.seen.in_place->certificate = {"/data/server.crt", State::file, c.now - 1s};
  EXPECT_EQ(c.step(), "rest");
  EXPECT_EQ(c.plan().stage, Stage::proved) << "nothing is waited for";
}

// Somebody wrote files over our links; when the last of them is 3 s old, it is looked at.
TEST(InPlace, AReplacedLinkIsLookedAtWhenItsWriterIsDone) {
  const auto replaced = [](Duration certificate, Duration key) {
    Case c = linked();
    c.seen.live.ours = c.seen.live.linked = false;
    c.seen.in_place->certificate = {"/data/server.crt", State::file, c.now - certificate};
    c.seen.in_place->key = {"/data/server.key", State::file, c.now - key};
    return c;
  };
  const auto waits_until = [](const Case& c) { return why(c) == "somebody is writing the files that were links" ? c.plan().wake_at : TimePoint{}; };
  const TimePoint now = linked().now;
  EXPECT_EQ(waits_until(replaced(1s, 2s)), now + 2s);
  EXPECT_EQ(waits_until(replaced(2s, 1s)), now + 2s);
  EXPECT_EQ(waits_until(replaced(3s - 1ms, 10s)), now + 1ms);
  EXPECT_EQ(waits_until(replaced(0ms, 10s)), now + 3s);
  EXPECT_EQ(waits_until(replaced(3s, 10s)), TimePoint{});
  EXPECT_EQ(waits_until(replaced(-1h, 10s)), TimePoint{}) << "a time that lies ahead says nothing";
  Case c = replaced(1s, 1s);
  c.seen.memory.linked_at.reset();
  EXPECT_EQ(waits_until(c), TimePoint{}) << "there never was a link of ours";
  c = replaced(1s, 1s), c.seen.memory.linked_at = c.now - 1s;
  EXPECT_EQ(waits_until(c), TimePoint{}) << "not written since the links were made";
  c = replaced(1s, 1s), c.seen.in_place->certificate.state = State::linked;
  EXPECT_EQ(waits_until(c), now + 2s) << "half of it";
  c.seen.in_place->key.state = State::linked;
  EXPECT_EQ(waits_until(c), TimePoint{}) << "both lead to us again";
  c = replaced(1s, 1s), c.seen.in_place->refused = "x";
  EXPECT_EQ(waits_until(c), TimePoint{});
}

}  // namespace
}  // namespace pgcertd::testing::in_place_tests
