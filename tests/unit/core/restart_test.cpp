// Covers lib/core/restart.cpp, the rule restart() of plan_live.cpp and the finding restart-required.
#include "core/restart.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/core/case.hpp"

namespace pgcertd::restart_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace pgcertd::testing;
using ::testing::HasSubstr;
using P = ProblemCode;

// Somebody put another pair into place, whose key has a passphrase; the server serves the one of before.
Case wanted(RestartPolicy policy = RestartPolicy::when_required) {
  Case c;
  c.foreign();
  c.desired.cluster.restart = policy;
  c.seen.server.settings["ssl_passphrase_command"].value = "cat /etc/pass";
  c.seen.server.settings["ssl_passphrase_command_supports_reload"].value = "off";
  c.seen.server.postmaster_start = t0;
  c.seen.tls_files.key_encrypted = true;
  c.seen.live.judgement = LeafJudgement{}, c.seen.live.key_path = "/etc/pki/db.key";
  c.seen.probes = {served(leaf("fo"))};
  c.seen.restart.emplace();
  c.seen.restart->method = "systemctl restart postgresql@15-main.service";
  return c;
}

std::string told(const Case& c) {
  const Plan p = c.plan();
  const auto it = std::find_if(p.findings.begin(), p.findings.end(), [](const Finding& f) { return f.code == P::restart_required; });
  return it == p.findings.end() ? "nothing" : it->message + " > " + it->remedy;
}

TEST(Restart, CuresOnlyAKeyWithAPassphraseThatAReloadCannotTake) {
  EXPECT_TRUE(restart_cures(wanted().seen));
  const auto cures = [](const Bend& bend) { return restart_cures(with(wanted(), bend).seen); };
  EXPECT_FALSE(cures([](Case& c) { c.seen.tls_files.key_encrypted = false; }));
  EXPECT_FALSE(cures([](Case& c) { c.seen.server.settings["ssl_passphrase_command_supports_reload"].value = "on"; }));
  EXPECT_TRUE(cures([](Case& c) { c.seen.server.settings.erase("ssl_passphrase_command_supports_reload"); })) << "before PostgreSQL 11";
  EXPECT_FALSE(cures([](Case& c) { c.seen.probes = {served(c.seen.live.chain.front())}; })) << "it is served";
  EXPECT_TRUE(cures([](Case& c) { c.seen.probes = {refused_tls()}; }));
  EXPECT_FALSE(cures([](Case& c) { c.seen.probes.clear(); })) << "nothing is known";
  EXPECT_FALSE(cures([](Case& c) { c.seen.server.fault = ServerFault::down; }));
  EXPECT_FALSE(cures([](Case& c) { c.seen.server.settings["ssl"].value = "off"; }));
  EXPECT_FALSE(cures([](Case& c) { c.seen.live.ours = true; })) << "keys of ours have none";
  EXPECT_FALSE(cures([](Case& c) { c.seen.live.chain.clear(); }));
}

TEST(Restart, IsDoneByPolicyOnly) {
  EXPECT_EQ(wanted().step(), "restart");
  EXPECT_EQ(std::get<action::Restart>(*wanted().plan().action).method, "systemctl restart postgresql@15-main.service");
  EXPECT_EQ(wanted(RestartPolicy::never).step(), "rest");
  EXPECT_EQ(wanted(RestartPolicy::window).step(), "rest") << "no window is open";
  EXPECT_THAT(told(wanted(RestartPolicy::never)), HasSubstr("(restart = \"never\") > systemctl restart postgresql@15-main.service"));
  EXPECT_THAT(told(wanted()), Not(HasSubstr("(")));
  Case fine = wanted();
  fine.seen.probes = {served(fine.seen.live.chain.front())};
  EXPECT_EQ(told(fine), "nothing");
}

TEST(Restart, WhereAPairOfOursMayTakeItsPlaceNoneIsNeeded) {
  Case c = wanted();
  c.consent();
  EXPECT_EQ(c.step(), "make-request");
}

TEST(Restart, IsHeldBackByWhatSpeaksAgainstIt) {
  const auto held = [](const Bend& bend, const char* why) {
    const Case c = with(wanted(), bend);
    EXPECT_EQ(c.step(), "rest") << why;
    EXPECT_THAT(told(c), HasSubstr(why));
  };
  held([](Case& c) { c.seen.restart.reset(); }, "not known yet) > restart PostgreSQL, e.g. pg_ctl restart");
  held([](Case& c) { c.seen.server.settings.erase("ssl_passphrase_command"); }, "at a terminal");
  held([](Case& c) { c.seen.restart->passphrase_error = "bad decrypt"; }, "does not open the key: bad decrypt");
  held([](Case& c) { c.seen.restart->key_spki_sha256 = "spki-other"; }, "does not belong to the certificate");
  held([](Case& c) { c.seen.restart->file_error = "ssl_ca_file is empty"; }, "ssl_ca_file is empty");
  held([](Case& c) { c.seen.restart->method.clear(), c.seen.restart->why_not = "no way"; }, "(no way) > restart PostgreSQL");
  held([](Case& c) { c.seen.restart->blockers = {"a base backup is being taken", "another thing"}; }, "a base backup is being taken, another thing");
  held([](Case& c) { c.seen.memory.pause = Pause{c.now + 1ms, ""}; }, "paused");
  held([](Case& c) {
    LiveFileSeen key;
    key.role = FileRole::key, key.file = {"/etc/pki/db.key", FileSeen::Kind::regular, 26, 26, 0644, 100, 1};
    c.seen.live_files = {key};
  }, "/etc/pki/db.key is open to group or world");
  EXPECT_EQ(with(wanted(), [](Case& c) { c.seen.restart->key_spki_sha256 = "spki-ff"; }).step(), "restart");
  EXPECT_EQ(with(wanted(), [](Case& c) { c.seen.memory.pause = Pause{c.now, ""}; }).step(), "restart");
  EXPECT_EQ(with(wanted(), [](Case& c) {
    LiveFileSeen key;
    key.role = FileRole::key, key.file = {"/etc/pki/db.key", FileSeen::Kind::regular, 26, 26, 0600, 100, 1};
    c.seen.live_files = {key};
  }).step(), "restart");
}

TEST(Restart, OpensWithItsWindow) {
  const auto in = [](Duration begin, Duration end) {
    return with(wanted(RestartPolicy::window), [&](Case& c) { c.seen.restart_windows = {{c.now + begin, c.now + end}, {c.now + days{5}, c.now + days{6}}}; });
  };
  EXPECT_EQ(in(0ms, 1h).step(), "restart");
  EXPECT_EQ(in(-1h, 1ms).step(), "restart");
  EXPECT_EQ(in(-1h, 0ms).step(), "rest") << "its end is outside";
  EXPECT_EQ(in(1ms, 1h).step(), "rest");
  const Case c;
  EXPECT_THAT(told(in(2h, 3h)), HasSubstr("the next window opens at " + to_rfc3339(c.now + 2h)));
  EXPECT_THAT(told(in(-1h, 0ms)), HasSubstr("the next window opens at " + to_rfc3339(c.now + days{5})));
  EXPECT_THAT(told(wanted(RestartPolicy::window)), HasSubstr("no window opens within the next days"));
}

TEST(Restart, AnExpiryBeforeTheWindowIsAnnounced) {
  const auto with_end = [](Duration left) {
    return with(wanted(RestartPolicy::window), [&](Case& c) {
      c.seen.restart_windows = {{c.now + 2h, c.now + 3h}};
      c.seen.probes.front().chain.front().not_after = c.now + left;
    });
  };
  EXPECT_THAT(told(with_end(2h - 1ms)), HasSubstr("before the window opens"));
  EXPECT_THAT(told(with_end(2h)), Not(HasSubstr("before the window opens")));
  EXPECT_EQ(with_end(1h).step(), "rest") << "announced, not acted on";
}

TEST(Restart, OneThatFailedIsTriedAgainWithBackOff) {
  const auto step = [](Duration ago, std::uint32_t tries, const Bend& bend = [](Case&) {}) {
    Case c = wanted();
    c.seen.memory.restart = RestartAttempt{"ff", t0, c.now - ago, tries};
    bend(c);
    return c.step();
  };
  EXPECT_EQ(step(0ms, 1), "rest");
  EXPECT_EQ(step(60s - 1ms, 1), "rest");
  EXPECT_EQ(step(60s, 1), "restart");
  EXPECT_EQ(step(120s - 1ms, 2), "rest");
  EXPECT_EQ(step(120s, 2), "restart");
  EXPECT_EQ(step(-1ms, 1), "restart") << "the clock was set back";
  EXPECT_EQ(step(0ms, 1, [](Case& c) { c.seen.memory.restart->fingerprint_sha256 = "fe"; }), "restart") << "it was for another certificate";
}

TEST(Restart, OneThatDidNotHelpIsNotRepeated) {
  Case c = wanted();
  c.seen.memory.restart = RestartAttempt{"ff", t0 - 1h, c.now - days{1}, 1};
  EXPECT_EQ(c.step(), "rest");
  EXPECT_THAT(told(c), HasSubstr("it was restarted at " + to_rfc3339(t0) + " and still serves another certificate"));
}

TEST(Restart, IsOverWhenAHandshakeShowsWhatItWasFor) {
  Case c = wanted();
  c.seen.memory.restart = RestartAttempt{"ff", t0 - 1h, c.now - 1s, 1};
  c.seen.probes = {served(c.seen.live.chain.front())};
  const auto applied = [](const Case& x) { return std::get<action::NoteRestart>(*x.plan().action).applied; };
  ASSERT_EQ(c.step(), "note-restart");
  EXPECT_TRUE(applied(c));
  EXPECT_FALSE(applied(with(c, [](Case& x) { x.seen.memory.restart->postmaster_start = t0; }))) << "somebody reloaded it";
  EXPECT_FALSE(applied(with(c, [](Case& x) { x.seen.memory.restart->fingerprint_sha256 = "fe"; })));
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.fault = ServerFault::down; }).step(), "note-restart");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.chain.clear(); }).step(), "note-restart");
}

}  // namespace
}  // namespace pgcertd::restart_tests
