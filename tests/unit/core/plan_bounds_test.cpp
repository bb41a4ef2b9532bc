// Covers lib/core/plan.cpp: each bound at its very moment, and each fact of a rule taken away alone. A mutation of the rule
// shows here.
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

TEST(Bounds, APauseEndsAtItsEnd) {
  Case c;
  c.first_contact();
  c.seen.memory.pause = Pause{c.now, ""};
  EXPECT_EQ(c.step(), "make-request");
  c.seen.memory.pause->until = c.now + 1ms;
  EXPECT_EQ(c.step(), "rest");
}

TEST(Bounds, ABackOffEndsAtItsEndAndCountsUpToAnHour) {
  Case c;
  c.first_contact();
  const auto at = [&](Duration from_now) { return with(c, [&](Case& x) { x.seen.memory.retry_at = x.now + from_now; }).step(); };
  EXPECT_EQ(at(0ms), "make-request");
  EXPECT_EQ(at(1ms), "rest");
  EXPECT_EQ(at(1h), "rest");
  EXPECT_EQ(at(1h + 1ms), "make-request");
}

TEST(Bounds, AnAttemptOfAnotherGenerationSaysNothing) {
  Case c;
  c.seen.probes = {served(leaf("f0"))};
  c.seen.memory.publish = PublishAttempt{"g0", "", c.now - 1s, 2, c.now - 1s, c.now - 1s};
  EXPECT_EQ(c.step(), "reload");
  c.seen.memory.publish->generation = "g1";
  EXPECT_EQ(c.step(), "rest");
}

TEST(Bounds, AnAttemptWithoutItsTimesIsReloadedAgain) {
  Case c;
  c.publish_second(1, 100ms);
  EXPECT_EQ(c.step(), "rest");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.memory.publish->last_reload_at.reset(); }).step(), "reload");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.memory.publish->first_reload_at.reset(); }).step(), "reload");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.memory.publish->first_reload_at = x.now + 1ms; }).step(), "reload") << "the clock went back";
  EXPECT_EQ(with(c, [](Case& x) { x.seen.memory.publish->last_reload_at = x.now + 1ms; }).step(), "reload");
}

TEST(Bounds, NothingIsRepairedForAServerWhoseUserIsNotKnown) {
  Case c;
  c.current().files.back().mode = 0644;
  EXPECT_EQ(c.step(), "repair-file");
  c.seen.server.server_uid = static_cast<uid_t>(-1);
  EXPECT_NE(c.step(), "repair-file");
}

TEST(Bounds, ARefusedGenerationIsUndoneOnlyWhereItIsInUse) {
  Case c;
  c.publish_second(2, 11s);
  c.seen.memory.refused = {{"g2", "", c.now}};
  ASSERT_EQ(c.step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.ours = false; }).step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.known = false; }).step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.refused.clear(), x.seen.probes.clear(); }).step(), "roll-back");
}

TEST(Bounds, TheFormerSettingsAreTheWayBackOnlyWhereTlsWasOffAndIsOn) {
  Case c;
  c.publish_second(2, 11s);
  c.seen.generations.all.erase(c.seen.generations.all.begin());
  c.seen.memory.proved.clear(), c.seen.memory.refused = {{"g2", "", c.now}};
  c.seen.memory.original_auto_conf.emplace();
  ASSERT_EQ(c.step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.original_auto_conf.reset(); }).step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.original_ssl_on = true; }).step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.fault = ServerFault::down; }).step(), "roll-back");
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.settings["ssl"].value = "off"; }).step(), "roll-back");
}

TEST(Bounds, AProvedGenerationIsReloadedAgainWithGrowingPauses) {
  const auto at_rest = [](std::uint32_t reloads, Duration ago) {
    Case c;
    c.seen.probes = {served(leaf("f0"))};
    c.seen.memory.publish = PublishAttempt{"g1", "g1", c.now - 1h, reloads, c.now - 1h, c.now - ago};
    const Plan p = c.plan();
    return std::string{p.action ? name(*p.action) : p.at_rest ? "rest" : "soon"};
  };
  EXPECT_EQ(at_rest(1, 499ms), "soon");
  EXPECT_EQ(at_rest(1, 500ms), "reload");
  EXPECT_EQ(at_rest(2, 499ms), "soon");
  EXPECT_EQ(at_rest(2, 500ms), "rest");
  EXPECT_EQ(at_rest(2, 120s - 1ms), "rest");
  EXPECT_EQ(at_rest(2, 120s), "reload");
}

TEST(Bounds, ChangedSettingsAreAwaitedForTwoSecondsThenTriedWithBackOff) {
  const auto step = [](Duration ago) {
    Case c;
    c.tls_off();
    c.seen.memory.settings_changed_at = c.now - ago, c.seen.memory.settings_tries = 2;
    const Plan p = c.plan();
    return std::string{p.action ? name(*p.action) : p.at_rest ? "rest" : "soon"};
  };
  EXPECT_EQ(step(0ms), "soon");
  EXPECT_EQ(step(2s - 1ms), "soon");
  EXPECT_EQ(step(2s), "rest");
  EXPECT_EQ(step(120s - 1ms), "rest");
  EXPECT_EQ(step(120s), "change-settings");
}

TEST(Bounds, SettingsAreNotLedToWhatIsHalfOrRefused) {
  Case c;
  c.tls_off();
  ASSERT_EQ(c.step(), "change-settings");
  EXPECT_NE(with(c, [](Case& x) { x.current().complete = false; }).step(), "change-settings");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.refused.push_back({"g1", "", t0}); }).step(), "change-settings");
}

TEST(Bounds, OnlyANewerWholeUndecidedGenerationIsPublished) {
  Case c;
  c.seen.memory.rotate_asked_at = c.now;
  c.seen.generations.all.push_back(generation("g2", 2, leaf("f2", c.now)));
  c.seen.candidates = {{"g2", good(), ""}};
  ASSERT_EQ(c.step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.seen.generations.all.back().complete = false; }).step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.refused.push_back({"g2", "", t0}); }).step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.proved.push_back({"g2", "f2", t0}); }).step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.seen.generations.all.back().number = 1; }).step(), "publish") << "as old as the current one";
  EXPECT_EQ(with(c, [](Case& x) { x.seen.server.privileges.reload = false; }).step(), "rest");
}

TEST(Bounds, ACopyIsPublishedOnlyWhileItIsACopyOfWhatIsLive) {
  Case c;
  c.foreign();
  c.desired.cluster.takeover = TakeoverPolicy::always;
  c.seen.generations.all = {generation("g1", 1, c.seen.live.chain.front())};
  c.current().origin = Origin::adopted;
  c.seen.candidates = {{"g1", good(), ""}};
  ASSERT_EQ(c.step(), "publish");
  EXPECT_EQ(with(c, [](Case& x) { x.current().chain.front().fingerprint_sha256 = "fe"; }).step(), "collect");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.chain.clear(); }).step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.current().chain.clear(); }).step(), "publish");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.ours = true; }).step(), "publish");
}

TEST(Bounds, OnlyWhatIsLiveReadableAndLoadsIsCopied) {
  Case c;
  c.foreign();
  c.desired.cluster.takeover = TakeoverPolicy::always;
  ASSERT_EQ(c.step(), "adopt");
  EXPECT_NE(with(c, [](Case& x) { x.seen.memory.pause = Pause{x.now + 1h, ""}; }).step(), "adopt");
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.known = false; }).step(), "adopt");
  EXPECT_NE(with(c, [](Case& x) { x.seen.server.settings["ssl"].value = "off"; }).step(), "adopt");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.readable = false; }).step(), "adopt");
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.judgement.loads = false; }).step(), "adopt");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.server.privileges.reload = false; }).step(), "rest");
}

TEST(Bounds, ACopyOfSomebodyElsesPairNeedNotBeOutlived) {
  Case c;
  c.now = *c.plan().renew_at;
  c.seen.pending = {{"main", "spki-f2", "pem", c.now, KeyType::ecdsa_p256, c.desired.names}};
  const auto outlive = [](const Case& x) { return std::get<action::Submit>(*x.plan().action).outlive; };
  EXPECT_TRUE(outlive(c));
  EXPECT_FALSE(outlive(with(c, [](Case& x) { x.current().origin = Origin::adopted; })));
  EXPECT_FALSE(outlive(with(c, [](Case& x) { x.current().chain.clear(); })));
}

TEST(Bounds, OfOneKeyOnlyTheNewestGenerationIsKept) {
  Case c;
  c.seen.generations.all = {generation("g1", 1, leaf("f1")), generation("g2", 2, leaf("f2")), generation("g3", 3, leaf("f3"))};
  c.seen.generations.all[1].key_spki_sha256 = c.seen.generations.all[0].key_spki_sha256;
  c.seen.memory.proved = {{"g1", "f1", t0}, {"g2", "f2", t0}, {"g3", "f3", t0}};
  c.seen.generations.current = "g3", c.seen.live.chain = {leaf("f3")}, c.seen.probes = {served(leaf("f3"))};
  ASSERT_EQ(c.step(), "collect");
  EXPECT_EQ(std::get<action::Collect>(*c.plan().action).generations, std::vector<std::string>{"g1"});
}

TEST(Bounds, AMomentThatIsNowDoesNotWakeAtOnce) {
  Case c;
  c.seen.memory.retry_at = c.now;
  EXPECT_EQ(c.plan().wake_at, c.now + 60s);
}

TEST(Reasons, NameTheNeedAndTheStepOnce) {
  Case c;
  EXPECT_TRUE(c.plan().reasons.empty());
  c.first_contact();
  EXPECT_EQ(c.plan().reasons, std::vector<std::string>{"no generation is current"});
  c.seen.issuer.available = false, c.seen.issuer.why = "it is locked";
  EXPECT_EQ(c.plan().reasons, (std::vector<std::string>{"no generation is current", "the issuer cannot sign: it is locked"}));
}

// A cluster whose pair g1 was proved before the current one, g2.
Case second_proved() {
  Case c;
  c.publish_second();
  c.seen.memory.publish.reset();
  c.seen.memory.proved.push_back({"g2", "f2", c.now});
  c.seen.probes = {served(c.seen.generations.all.back().chain.front())};
  c.seen.live.chain = c.seen.generations.all.back().chain;
  return c;
}

Case with_copy_staged(Case c) {
  c.seen.generations.all.push_back(generation("g3", 3, leaf("f1")));
  c.seen.generations.all.back().origin = Origin::rolled_back;
  c.seen.candidates = {{"g3", good(), ""}};
  return c;
}

TEST(PutBack, AnOperatorsRollbackWritesThePairBeforeAndPublishesItByThePreflight) {
  Case c = second_proved();
  ASSERT_EQ(c.step(), "rest");
  c.seen.memory.rollback_asked_at = c.now;
  ASSERT_EQ(c.step(), "put-back");
  EXPECT_EQ(std::get<action::PutBack>(*c.plan().action).from, "g1");
  Case renewed = with_copy_staged(c);
  renewed.seen.generations.all.back().origin = Origin::issued;
  EXPECT_EQ(renewed.step(), "put-back") << "a new one is not what was asked for";
  c = with_copy_staged(c);
  EXPECT_EQ(c.step(), "publish");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.candidates.front().preflight_error = "revoked"; }).step(), "refuse");
  EXPECT_EQ(with(c, [](Case& x) { x.seen.memory.pause = Pause{x.now + 1h, ""}; }).step(), "publish") << "a pause is for rotation";
  EXPECT_EQ(with(c, [](Case& x) { x.seen.server.privileges.reload = false; }).step(), "rest");
}

TEST(PutBack, NeedsAnEarlierPairThatIsWholeAndValid) {
  Case c = second_proved();
  c.seen.memory.rollback_asked_at = c.now;
  EXPECT_NE(pair_to_put_back(c.seen, c.now, true), nullptr);
  const auto nothing = [&](const Bend& bend) {
    const Case x = with(c, bend);
    return pair_to_put_back(x.seen, x.now, true) == nullptr && x.step() != "put-back";
  };
  EXPECT_TRUE(nothing([](Case& x) { x.seen.generations.all.front().complete = false; }));
  EXPECT_TRUE(nothing([](Case& x) { x.seen.generations.all.front().chain.clear(); }));
  EXPECT_TRUE(nothing([](Case& x) { x.seen.generations.all.front().chain.front().not_after = x.now; }));
  EXPECT_FALSE(nothing([](Case& x) { x.seen.generations.all.front().chain.front().not_after = x.now + 1ms; }));
  EXPECT_TRUE(nothing([](Case& x) { x.seen.memory.refused.push_back({"f1", "revoked", x.now}); }));
  EXPECT_TRUE(nothing([](Case& x) { x.seen.memory.proved.erase(x.seen.memory.proved.begin()); }));
  EXPECT_NE(with(c, [](Case& x) { x.seen.live.ours = false; }).step(), "put-back");
}

TEST(PutBack, IsWhatHelpsWhereTheCurrentPairIsSpoiledAndNoNewOneComesSoon) {
  Case c = second_proved();
  c.seen.current->key_matches = false;
  EXPECT_EQ(c.step(), "make-request") << "a new one is better";
  c.seen.issuer.available = false;
  EXPECT_EQ(c.step(), "put-back");
  EXPECT_EQ(with_copy_staged(c).step(), "publish");
  const auto step = [&](const Bend& bend) { return with(c, bend).step(); };
  const auto heal = [](Case& x) { x.seen.current->key_matches = true; };
  EXPECT_NE(step(heal), "put-back");
  EXPECT_EQ(step([&](Case& x) { heal(x), x.seen.current->loads = false; }), "put-back");
  EXPECT_EQ(step([&](Case& x) { heal(x), x.seen.generations.all.back().key_spki_sha256.clear(); }), "put-back");
  EXPECT_NE(step([&](Case& x) { heal(x), x.seen.generations.all.back().key_spki_sha256.clear(), x.seen.generations.all.back().key_denied = true; }), "put-back");
  EXPECT_EQ(step([&](Case& x) { heal(x), x.seen.generations.all.back().chain.clear(); }), "put-back");
  EXPECT_NE(step([&](Case& x) { x.seen.current.reset(); }), "put-back") << "unknown is not spoiled";
  EXPECT_EQ(step([](Case& x) { x.seen.issuer.available = true, x.seen.memory.pause = Pause{x.now + 1h, ""}; }), "put-back");
  EXPECT_EQ(step([](Case& x) { x.seen.issuer.available = true, x.seen.memory.retry_at = x.now + 1min; }), "put-back");
  EXPECT_EQ(step([](Case& x) { x.seen.issuer.available = true, x.seen.answers = {{"spki-f9", Pending{x.now}}}; }), "put-back");
}

TEST(PutBack, WhatIsNotServedEvenThenGoesBackToTheOneBefore) {
  Case c = with_copy_staged(second_proved());
  c.seen.candidates.clear();
  c.seen.generations.current = "g3", c.seen.generations.way_back = "g2";
  c.seen.memory.publish = PublishAttempt{"g3", "g2", c.now - 11s, 2, c.now - 11s, c.now - 11s};
  EXPECT_EQ(c.step(), "rest") << "the last resort stays";
  c.seen.memory.rollback_asked_at = c.now - 12s;
  ASSERT_EQ(c.step(), "roll-back");
  EXPECT_EQ(std::get<action::RollBack>(*c.plan().action).to, "g2");
}

}  // namespace
}  // namespace pgcertd::testing
