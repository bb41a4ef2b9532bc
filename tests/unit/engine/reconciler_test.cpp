// lib/engine/reconciler.cpp: operators' commands, a state that cannot be read or written, steps that fail, an end in the middle.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "engine/reconciler.hpp"
#include "engine/traced_ports.hpp"
#include "fake/world.hpp"
#include "sim/driver.hpp"

namespace pgcertd::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using sim::start;

// A daemon over a world whose calls may be made to fail.
struct Subject {
  fake::World world{sim::ca(), start};
  Desired desired = sim::desired_default();
  sim::SilentLog log;
  std::vector<std::string> calls;
  std::string failing;
  Errc error = Errc::io;
  int sys_errno = 0;
  engine::TracedPorts traced{world.ports(), [this](const std::string& call, engine::CallPhase phase) -> std::optional<Error> {
    if (phase == engine::CallPhase::before) calls.push_back(call);
    if (phase == engine::CallPhase::before && call == failing) return sys_errno != 0 ? errno_error(call, "made to fail", sys_errno) : make_error(error, "made to fail");
    return std::nullopt;
  }};
  engine::Reconciler reconciler{traced.ports(), log};

  engine::TickResult tick(bool full = true) { return reconciler.tick(desired, world.now, full); }
  engine::TickResult rest() {
    engine::TickResult result = tick();
    for (int i = 0; i < 100 && !result.at_rest; ++i) {
      world.now = std::max(world.now + 1ms, result.wake_at);
      result = tick(false);
    }
    return result;
  }
  [[nodiscard]] static bool has(const ClusterView& view, ProblemCode code) {
    return std::any_of(view.problems.begin(), view.problems.end(), [&](const StandingProblem& p) { return p.finding.code == code; });
  }
  [[nodiscard]] std::size_t count(const std::string& call) const { return static_cast<std::size_t>(std::count(calls.begin(), calls.end(), call)); }
};

TEST(Commands, ForceRotatesWhatIsNotDue) {
  Subject s;
  s.rest();
  const std::string first = s.world.served_fingerprint();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate}, s.world.now));
  s.rest();
  EXPECT_EQ(s.world.served_fingerprint(), first);
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now));
  const auto end = s.rest();
  EXPECT_NE(s.world.served_fingerprint(), first);
  EXPECT_EQ(end.view.stage, Stage::proved);
  EXPECT_EQ(end.view.need, Need::none);
}

// Who asks again as soon as a new one is proved leaves no moment of rest, and goes round in no circle.
TEST(Commands, RotationsWithoutAPauseBetweenThemAreNotSlowedDown) {
  Subject s;
  s.rest();
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now));
    engine::TickResult last = s.tick(false);
    for (; s.reconciler.memory().rotate_asked_at && !last.at_rest; last = s.tick(false)) s.world.now = std::max(s.world.now + 1ms, last.wake_at);
    ASSERT_FALSE(s.reconciler.memory().rotate_asked_at) << "rotation " << i << " rests until " << to_rfc3339(last.wake_at);
  }
}

TEST(Commands, PauseHoldsRotationUntilItsEndOrResume) {
  Subject s;
  s.rest();
  const std::string first = s.world.served_fingerprint();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::pause, .pause_for = 2h, .reason = "a migration"}, s.world.now));
  const auto refused = s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::refused);
  EXPECT_THAT(refused.error().text(), HasSubstr("a migration"));
  s.world.now += days{70};   // due, and long after the pause's end
  s.world.memory = s.reconciler.memory();
  EXPECT_FALSE(Subject::has(s.rest().view, ProblemCode::rotation_paused));
  EXPECT_NE(s.world.served_fingerprint(), first);
}

TEST(Commands, PauseIsKeptOverARestart) {
  Subject s;
  s.rest();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::pause, .pause_for = 2h, .reason = "a migration"}, s.world.now));
  engine::Reconciler again(s.traced.ports(), s.log);
  s.world.now += 1h;
  EXPECT_TRUE(Subject::has(again.tick(s.desired, s.world.now, true).view, ProblemCode::rotation_paused));
  ASSERT_TRUE(again.command(s.desired, {.kind = engine::Command::Kind::resume}, s.world.now));
  EXPECT_FALSE(Subject::has(again.tick(s.desired, s.world.now, true).view, ProblemCode::rotation_paused));
}

TEST(Commands, ThatCannotBeKeptAreRefusedAndForgotten) {
  Subject s;
  s.rest();
  s.world.disk_error = make_error(Errc::no_space, "no space left");
  EXPECT_FALSE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::pause, .pause_for = 2h, .reason = "r"}, s.world.now));
  EXPECT_FALSE(s.reconciler.memory().pause);
}

TEST(Commands, ADryRunChangesNothing) {
  Subject s;
  s.rest();
  const auto before = s.world.events.size();
  const Plan plan = s.reconciler.preview(s.desired, s.world.now, true);
  EXPECT_EQ(plan.need, Need::asked);
  ASSERT_TRUE(plan.action);
  EXPECT_TRUE(std::holds_alternative<action::MakeRequest>(*plan.action));
  EXPECT_EQ(s.world.events.size(), before);
  EXPECT_FALSE(s.reconciler.memory().rotate_asked_at);
}

TEST(State, ThatCannotBeReadStopsEveryAction) {
  Subject s;
  s.failing = "store.load", s.error = Errc::database;
  const auto result = s.tick();
  EXPECT_TRUE(result.at_rest);
  EXPECT_TRUE(Subject::has(result.view, ProblemCode::state_unwritable));
  EXPECT_EQ(s.count("keys.make"), 0U);
  EXPECT_FALSE(s.reconciler.command(s.desired, {}, s.world.now));
  s.failing.clear();
  EXPECT_EQ(s.rest().view.stage, Stage::proved);
}

// A status without a certificate would wake somebody for a directory that could not be read once.
TEST(State, ThatCannotBeReadForAMomentIsStillTold) {
  Subject s;
  const auto first = s.rest().view.certificate;
  ASSERT_TRUE(first);
  s.failing = "generations.observe";
  const auto blind = s.tick();
  EXPECT_TRUE(Subject::has(blind.view, ProblemCode::state_unwritable));
  EXPECT_FALSE(Subject::has(blind.view, ProblemCode::cert_missing));
  ASSERT_TRUE(blind.view.certificate);
  EXPECT_EQ(blind.view.certificate->leaf.serial, first->leaf.serial);
  EXPECT_FALSE(blind.acted);
}

// What the root signed may be in it, and the root is far away.
TEST(State, ACandidateThatCannotBeReadForAMomentIsNotRefused) {
  Subject s;
  s.rest();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now));
  while (s.world.generations.size() < 2) s.tick(false);
  const auto staged = s.world.generations;
  s.failing = "generations.load", s.sys_errno = EMFILE;
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(s.tick(false).acted);
  ASSERT_EQ(s.world.generations.size(), staged.size());
  s.failing.clear();
  EXPECT_EQ(s.rest().view.stage, Stage::proved);
  EXPECT_TRUE(staged.contains(s.world.current)) << "it is the one that was staged before";
  EXPECT_EQ(s.world.registry.size(), 2U) << "nothing was signed for nothing";
}

TEST(State, ThatCannotBeWrittenIsToldAndHeals) {
  Subject s;
  s.rest();
  s.world.now += days{61};
  const std::string first = s.world.served_fingerprint();
  s.world.disk_error = make_error(Errc::no_space, "no space left");
  const auto stuck = s.rest();
  EXPECT_TRUE(Subject::has(stuck.view, ProblemCode::state_unwritable));
  EXPECT_EQ(s.world.served_fingerprint(), first);
  s.world.disk_error.reset();
  s.world.now += 2h;
  const auto healed = s.rest();
  EXPECT_FALSE(Subject::has(healed.view, ProblemCode::state_unwritable));
  EXPECT_NE(s.world.served_fingerprint(), first);
}

// The store may be on another disk, or need no new block: what a step could not write is a problem of its own.
TEST(State, WhereAStepCannotWriteIsToldUntilItCan) {
  for (const char* call : {"pending.put", "generations.stage", "generations.publish"}) {
    Subject s;
    s.failing = call, s.error = Errc::no_space;
    EXPECT_TRUE(Subject::has(s.rest().view, ProblemCode::state_unwritable)) << call;
    EXPECT_GT(s.reconciler.state_write_failures(), 0U) << call;
    s.failing.clear();
    s.world.now += 2h;
    const auto healed = s.rest();
    EXPECT_EQ(healed.view.stage, Stage::proved) << call;
    EXPECT_FALSE(Subject::has(healed.view, ProblemCode::state_unwritable)) << call;
  }
}

TEST(Events, ThatCouldNotBeWrittenAreWrittenLater) {
  Subject s;
  s.rest();
  const auto count = [&](std::string_view text) {
    return std::count_if(s.world.events.begin(), s.world.events.end(), [&](const Event& e) { return e.kind == text || e.message.starts_with(text); });
  };
  s.failing = "store.save", s.error = Errc::no_space;
  s.world.server_up = false;
  (void)s.tick();
  EXPECT_FALSE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::pause, .pause_for = 2h, .reason = "r"}, s.world.now));
  EXPECT_EQ(count("server-unreachable"), 0);
  s.failing.clear();
  (void)s.tick();
  EXPECT_EQ(count("server-unreachable"), 1);
  EXPECT_EQ(count("paused"), 0) << "a command that was refused never happened";
}

// Whatever call fails for good: the daemon comes to rest between tries, and never spins.
TEST(Faults, NeverMakeAHotLoop) {
  for (const char* call : {"generations.observe", "generations.stage", "generations.publish", "generations.load", "pending.list", "pending.put", "pending.key", "keys.make",
                           "postgres.change_settings", "postgres.reload", "issuer.submit", "store.save", "store.load", "live.read_certificate"}) {
    for (const Errc error : {Errc::io, Errc::no_space, Errc::permission, Errc::busy}) {
      Subject s;
      s.failing = call, s.error = error;
      int ticks = 0;
      for (const TimePoint end = s.world.now + 10min; s.world.now < end; ++ticks) s.world.now = std::max(s.world.now + 1ms, s.tick().wake_at);
      EXPECT_LT(ticks, 120) << call << " fails with " << static_cast<int>(error);
      s.failing.clear();
      s.world.now += 2h;
      EXPECT_EQ(s.rest().view.stage, Stage::proved) << call;
    }
  }
}

// Without it "rotation-failing" stood until the next renewal, for a rollback that had been proved long since.
TEST(Faults, OnTheWayToARollbackAreOverWithItsProof) {
  Subject s;
  s.rest();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now));
  s.rest();
  const std::string second = s.world.served_fingerprint();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rollback}, s.world.now));
  s.failing = "generations.stage";
  s.tick();
  ASSERT_GT(s.count("generations.stage"), 2U) << "the fault was met";
  s.failing.clear();
  s.world.now += 1h;
  const auto end = s.rest();
  EXPECT_NE(s.world.served_fingerprint(), second);
  EXPECT_FALSE(Subject::has(end.view, ProblemCode::rotation_failing));
}

// The same for a reload that could not be asked for once and then was shown to have been heard.
TEST(Faults, OfAReloadAreOverWithTheNextProof) {
  Subject s;
  s.rest();
  s.world.memory.publish = PublishAttempt{s.world.current, s.world.current, s.world.now, 1, s.world.now, s.world.now};
  s.world.memory.last_failure = Failure{"reload", "no connection", "", false, s.world.now};
  engine::Reconciler restarted(s.traced.ports(), s.log);
  engine::TickResult result = restarted.tick(s.desired, s.world.now, true);
  for (int i = 0; i < 100 && !result.at_rest; ++i) result = restarted.tick(s.desired, s.world.now = std::max(s.world.now + 1ms, result.wake_at), false);
  EXPECT_FALSE(Subject::has(result.view, ProblemCode::rotation_failing));
}

TEST(Faults, HoldBackTheStepAndNotTheLook) {
  Subject s;
  s.failing = "postgres.change_settings", s.error = Errc::permission;
  engine::TickResult last;
  for (const TimePoint end = s.world.now + 2h; s.world.now < end;) last = s.tick(), s.world.now = std::max(s.world.now + 1ms, last.wake_at);
  EXPECT_GE(s.count("postgres.observe"), 120U) << "a pass each minute";
  EXPECT_LE(s.count("postgres.change_settings"), 12U);
  EXPECT_TRUE(Subject::has(last.view, ProblemCode::privilege_missing));
  EXPECT_FALSE(Subject::has(last.view, ProblemCode::settings_shadowed)) << "they were never changed";
  s.failing.clear();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate}, s.world.now));
  const auto healed = s.rest();
  EXPECT_EQ(healed.view.stage, Stage::proved) << "an operator who asks need not wait";
  EXPECT_FALSE(Subject::has(healed.view, ProblemCode::privilege_missing));
}

// Months apart, two people switch TLS off: the second is no worse than the first.
TEST(Settings, ThatCameIntoForceAreNoFailedTry) {
  Subject s;
  s.rest();
  for (int i = 0; i < 5; ++i) {
    s.world.auto_conf["ssl"] = "off";
    s.world.reload();
    const auto mended = s.rest();
    EXPECT_EQ(s.world.served_fingerprint(), s.world.current_fingerprint()) << "time " << i;
    EXPECT_FALSE(Subject::has(mended.view, ProblemCode::settings_shadowed)) << "time " << i;
    s.world.now += s.desired.check_interval;
    s.rest();
    EXPECT_FALSE(s.reconciler.memory().settings_changed_at);
    EXPECT_EQ(s.reconciler.memory().settings_tries, 0U);
  }
}

// What something else takes back again and again is tried more and more rarely.
TEST(Settings, ThatSomethingTakesBackEachTimeAreTriedWithBackOff) {
  Subject s;
  s.rest();
  const auto changes = [&] { return s.count("postgres.change_settings"); };
  const std::size_t before = changes();
  for (const TimePoint end = s.world.now + 1h; s.world.now < end; s.world.now += 10s) {
    s.world.auto_conf["ssl"] = "off";
    s.world.reload();
    s.rest();
  }
  EXPECT_GT(changes(), before);
  EXPECT_LT(changes() - before, 10U);
}

TEST(End, InTheMiddleOfALookIsNoFact) {
  Subject s;
  s.rest();
  auto ports = s.traced.ports();
  bool stopping = false;
  ports.stopping = [&] { return stopping; };
  engine::Reconciler ending(ports, s.log);
  const auto events = s.world.events.size();
  stopping = true, s.world.server_up = false;
  EXPECT_TRUE(ending.tick(s.desired, s.world.now, true).broken_off);
  EXPECT_EQ(s.world.events.size(), events);
}

TEST(Names, OfTheFirstIssueStay) {
  Subject s;
  s.desired.cluster.names = {}, s.desired.names = {{"first.example.org"}, {}};
  s.rest();
  const std::string first = s.world.served_fingerprint();
  s.desired.names = {{"renamed.example.org"}, {}};
  const auto later = s.rest();
  EXPECT_EQ(s.world.served_fingerprint(), first);
  EXPECT_EQ(later.view.need, Need::none);
}

// Somebody deletes the certificate of the live generation while a new one is staged: the new one must still be published.
TEST(WayBack, IsTheNewestWholeGenerationWhereTheCurrentOneIsSpoiled) {
  Subject s;
  s.rest();
  ASSERT_TRUE(s.reconciler.command(s.desired, {.kind = engine::Command::Kind::rotate, .force = true}, s.world.now));
  s.rest();
  const std::string spoiled = s.world.current, before = s.world.served_fingerprint();
  s.world.generations[spoiled].chain_pem.clear();
  const auto end = s.rest();
  EXPECT_EQ(end.view.stage, Stage::proved);
  EXPECT_NE(s.world.current, spoiled);
  EXPECT_NE(s.world.way_back, spoiled);
  EXPECT_NE(s.world.served_fingerprint(), before);
}

}  // namespace
}  // namespace pgcertd::testing
