// Covers lib/core/clock_guard.cpp, and what plan() does while the clock is doubted.
#include "core/clock_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/core/case.hpp"

namespace pgcertd::clock_guard_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace pgcertd::testing;
using ::testing::HasSubstr;

// Two clocks that run together until one is set.
struct Clocks {
  ClockGuard guard{5min};
  TimePoint wall = t0;
  Duration steady = 1h;

  std::optional<ClockDoubt> after(Duration passed) {
    wall += passed, steady += passed;
    return guard.look(wall, steady);
  }
  std::optional<ClockDoubt> set(Duration by) {
    wall += by;
    return guard.look(wall, steady);
  }
};

TEST(ClockGuard, BelievesAClockThatRuns) {
  Clocks c;
  for (const Duration passed : {Duration{0ms}, Duration{1ms}, Duration{1min}, Duration{days{40}}}) EXPECT_FALSE(c.after(passed));
}

TEST(ClockGuard, DoubtsAJumpBeyondTheBoundEitherWay) {
  for (const Duration by : {Duration{5min}, Duration{-5min}}) {
    Clocks c;
    c.after(0ms);
    EXPECT_FALSE(c.set(by)) << "as far as the bound";
    Clocks d;
    d.after(0ms);
    const Duration far = by < 0ms ? by - 1ms : by + 1ms;
    EXPECT_EQ(d.set(far), (ClockDoubt{far, t0 + far + 5min}));
  }
}

TEST(ClockGuard, BelievesTheNewTimeOnceItHasStoodForTheBound) {
  Clocks c;
  c.after(0ms);
  ASSERT_TRUE(c.set(3h));
  EXPECT_EQ(c.after(5min - 1ms), (ClockDoubt{3h, t0 + 3h + 5min}));
  EXPECT_FALSE(c.after(1ms));
  EXPECT_TRUE(c.set(-3h)) << "then the old time is the jump";
}

TEST(ClockGuard, ForgetsTheJumpOnceTheClockIsBack) {
  Clocks c;
  c.after(0ms);
  ASSERT_TRUE(c.set(3h));
  EXPECT_FALSE(c.set(-3h));
  c.after(1h);
  EXPECT_EQ(c.set(3h)->until, t0 + 4h + 5min) << "and counts anew at the next one";
}

TEST(ClockGuard, CountsAnewWhileTheClockGoesOnJumping) {
  Clocks c;
  c.after(0ms);
  ASSERT_TRUE(c.set(3h));
  c.after(4min);
  EXPECT_EQ(c.set(1h), (ClockDoubt{4h, t0 + 4h + 9min}));
  EXPECT_EQ(c.after(1min), (ClockDoubt{4h, t0 + 4h + 9min}));
  EXPECT_EQ(c.set(5min), (ClockDoubt{4h + 5min, t0 + 4h + 14min})) << "a small step is no jump, and the clock says so much later when it is believed";
}

TEST(ClockGuard, FollowsSmallStepsOverTheYears) {
  Clocks c;
  c.after(0ms);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(c.set(1min));
}

TEST(ClockGuard, KnowsAtItsFirstLookThatAPastMomentIsOver) {
  Clocks back, fine;
  EXPECT_EQ(back.guard.look(t0, 1s, t0 + 1h), (ClockDoubt{-1h, t0 + 5min}));
  EXPECT_FALSE(fine.guard.look(t0, 1s, t0 - days{40})) << "how long it was off is not known";
  EXPECT_FALSE(fine.guard.look(t0 + 1s, 2s, t0 + 1h)) << "only at the first look";
}

TEST(ClockDoubted, NothingIsIssuedPublishedOrCollected) {
  const auto doubted = [](const Bend& bend) {
    Case c;
    bend(c);
    const std::string step = c.step();
    c.seen.clock_doubt = ClockDoubt{3h, c.now + 4min};
    EXPECT_NE(step, "rest");
    return c.step();
  };
  EXPECT_EQ(doubted([](Case& c) { c.first_contact(); }), "rest");
  EXPECT_EQ(doubted([](Case& c) { c.seen.memory.rotate_asked_at = c.now; }), "rest");
  EXPECT_EQ(doubted([](Case& c) { c.seen.pending = {{"main", "spki-f2", "pem", c.now, KeyType::ecdsa_p256, c.desired.names}}; }), "rest");
  EXPECT_EQ(doubted([](Case& c) {
    c.seen.memory.rotate_asked_at = c.now;
    c.seen.generations.all.push_back(generation("g2", 2, leaf("f2", c.now)));
    c.seen.candidates = {{"g2", good(), ""}};
  }), "rest");
  EXPECT_EQ(doubted([](Case& c) { c.seen.generations.all.insert(c.seen.generations.all.begin(), generation("g0", 0, leaf("f0"))); }), "rest");
  EXPECT_EQ(doubted([](Case& c) { c.publish_second(2, 11s); }), "rest") << "how long the proof has been missing is not known";
}

TEST(ClockDoubted, WhatProtectsTheLiveSetGoesOn) {
  Case c;
  c.seen.clock_doubt = ClockDoubt{-3h, c.now + 4min};
  EXPECT_EQ(with(c, [](Case& x) { x.current().files.back().mode = 0644; }).step(), "repair-file");
  EXPECT_EQ(with(c, [](Case& x) { x.publish_second(1, 600ms); }).step(), "reload");
}

TEST(ClockDoubted, IsToldAndLookedAtAgainWhenItIsBelieved) {
  Case c;
  EXPECT_FALSE(c.has(ProblemCode::clock_jump));
  const auto message = [](Duration by) {
    Case x;
    x.seen.clock_doubt = ClockDoubt{by, x.now + 30s};
    const Plan p = x.plan();
    EXPECT_EQ(p.wake_at, x.now + 30s);
    const auto it = std::find_if(p.findings.begin(), p.findings.end(), [](const Finding& f) { return f.code == ProblemCode::clock_jump; });
    return it == p.findings.end() ? std::string{} : it->message;
  };
  EXPECT_THAT(message(3h), HasSubstr("forward by 3h; nothing is issued or collected until " + to_rfc3339(c.now + 30s)));
  EXPECT_THAT(message(-3h), HasSubstr("back by 3h;"));
}

}  // namespace
}  // namespace pgcertd::clock_guard_tests
