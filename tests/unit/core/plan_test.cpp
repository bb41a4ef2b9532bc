// Covers lib/core/plan.cpp, need.cpp, action.cpp: each rule of the walk and each need.
#include <gtest/gtest.h>

#include <set>

#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

TEST(Plan, AHealthyClusterRests) {
  const Case c;
  const Plan p = c.plan();
  EXPECT_EQ(p.need, Need::none);
  EXPECT_EQ(p.stage, Stage::proved);
  EXPECT_FALSE(p.action);
  EXPECT_TRUE(p.at_rest);
  EXPECT_TRUE(p.findings.empty()) << p.findings.front().message;
  EXPECT_EQ(p.wake_at, c.now + 60s);
}

TEST(Plan, DecidesNothingBlind) {
  Case c;
  c.first_contact();
  c.seen.blind = true;
  EXPECT_EQ(c.step(), "rest");
  EXPECT_TRUE(c.plan().at_rest);
}

struct NeedCase {
  Need need;
  std::function<void(Case&)> bend;
};

class Needs : public ::testing::TestWithParam<NeedCase> {};

TEST_P(Needs, AreToldByTheirFact) {
  Case c;
  GetParam().bend(c);
  EXPECT_EQ(to_string(c.plan().need), to_string(GetParam().need));
}

INSTANTIATE_TEST_SUITE_P(All, Needs, ::testing::ValuesIn(std::vector<NeedCase>{
    {Need::absent, [](Case& c) { c.seen.generations.current.clear(); }},
    {Need::absent, [](Case& c) { c.current().chain.clear(); }},
    {Need::absent, [](Case& c) { c.current().origin = Origin::adopted; }},
    {Need::absent, [](Case& c) { c.seen.memory.refused.push_back({"g1", "", t0}); }},
    {Need::mismatch, [](Case& c) { c.seen.current->key_matches = false; }},
    {Need::mismatch, [](Case& c) { c.seen.current->loads = false; }},
    {Need::mismatch, [](Case& c) { c.current().key_spki_sha256.clear(); }},
    {Need::none, [](Case& c) { c.current().key_spki_sha256.clear(), c.current().key_denied = true, c.seen.current.reset(); }},
    {Need::expired, [](Case& c) { c.now = c.current().chain.front().not_after; }},
    {Need::expired, [](Case& c) { c.seen.current->chain_not_after = c.now; }},
    {Need::not_yet_valid, [](Case& c) { c.now = c.current().chain.front().not_before - 1ms; }},
    {Need::none, [](Case& c) { c.now = c.current().chain.front().not_before; }},
    {Need::untrusted, [](Case& c) { c.seen.current->chain_ok = false; }},
    {Need::wrong_names, [](Case& c) { c.seen.current->missing_names = {"db2.example.org"}; }},
    {Need::revoked, [](Case& c) { c.seen.current->revoked = true; }},
    {Need::weak, [](Case& c) { c.seen.current->weak = true, c.seen.current->weak_why = "rsa-1024"; }},
    {Need::weak, [](Case& c) { c.desired.cluster.key_type = KeyType::rsa_3072; }},
    {Need::signer_changed, [](Case& c) { c.seen.issuer.issuing->subject_key_id = "cc"; }},
    {Need::asked, [](Case& c) { c.seen.memory.rotate_asked_at = t0; }},
    {Need::due, [](Case& c) { c.now = *c.plan().renew_at; }},
    {Need::none, [](Case& c) { c.now = *c.plan().renew_at - 1ms; }},
}));

TEST(Need, OrderOfRulesIsTheTablesOrder) {
  // Every need at once: taking away the first reason shows the next, in the table's order.
  Case c;
  c.current().chain.clear();
  c.seen.current->key_matches = c.seen.current->chain_ok = false;
  c.seen.current->chain_not_after = c.now - days{400};
  c.seen.current->missing_names = {"x"}, c.seen.current->revoked = c.seen.current->weak = true;
  c.seen.current->weak_why = "weak";
  c.seen.issuer.issuing->subject_key_id = "cc";
  c.seen.memory.rotate_asked_at = t0;
  std::vector<Need> order;
  const auto note = [&] { order.push_back(c.plan().need); };
  note();
  c.current().chain = {leaf("f1")};
  c.current().chain.front().not_before = c.now + 1h;
  note();
  c.seen.current->key_matches = true;
  note();
  c.seen.current->chain_not_after = c.now + days{30};
  note();
  c.current().chain.front().not_before = t0 - days{200};
  note();
  c.seen.current->chain_ok = true;
  note();
  c.seen.current->missing_names.clear();
  note();
  c.seen.current->revoked = false;
  note();
  c.seen.current->weak = false;
  note();
  c.seen.issuer.issuing->subject_key_id = "aa";
  note();
  c.seen.memory.rotate_asked_at.reset();
  note();
  c.current().chain.front().not_before = c.now - 1h, c.current().chain.front().not_after = c.now + days{90}, c.seen.current->chain_not_after = no_expiry;
  note();
  std::vector<Need> table;
  for (const NeedRow& r : need_table()) table.push_back(r.need);
  EXPECT_EQ(order, table);
}

TEST(RenewalTime, CountsFromTheIssueAndJittersOnlyEarlier) {
  Case c;
  const CertFacts l = leaf("f1");
  std::set<TimePoint> seen;
  for (int i = 0; i < 200; ++i) {
    c.desired.cluster.name = "cluster" + std::to_string(i);
    const TimePoint at = renewal_time(l, c.desired, no_expiry);
    EXPECT_LE(at, t0 + Duration{static_cast<std::int64_t>(static_cast<double>(Duration{days{90}}.count()) * 0.667)});
    EXPECT_GE(at, t0 + days{60} - Duration{days{90}} / 20);
    seen.insert(at);
  }
  EXPECT_GT(seen.size(), 100U);
  EXPECT_EQ(renewal_time(l, c.desired, no_expiry), renewal_time(l, c.desired, no_expiry));
}

TEST(RenewalTime, FollowsTheChainsEndAndShortLives) {
  Case c;
  EXPECT_LT(renewal_time(leaf("f1"), c.desired, t0 + days{30}), t0 + days{21});
  CertFacts brief = leaf("f1");
  brief.not_before = t0 - 6s, brief.not_after = t0 + 60s;
  const TimePoint at = renewal_time(brief, c.desired, no_expiry);
  EXPECT_LE(at, t0 + 41s);
  EXPECT_GE(at, t0 + 36s);
  CertFacts endless = leaf("f1");
  endless.not_after = no_expiry;
  EXPECT_EQ(renewal_time(endless, c.desired, no_expiry), no_expiry);
}

TEST(Backoff, DoublesUpToAnHour) {
  EXPECT_EQ(backoff(0, 60s), 60s);
  EXPECT_EQ(backoff(1, 60s), 60s);
  EXPECT_EQ(backoff(2, 60s), 120s);
  EXPECT_EQ(backoff(3, 60s), 240s);
  EXPECT_EQ(backoff(7, 60s), 1h);
  EXPECT_EQ(backoff(4'000'000'000U, 60s), 1h);
  EXPECT_EQ(backoff(1, 10ms), 1s);
  EXPECT_EQ(backoff(1, 2h), 1h);
}

TEST(FirstIssue, StepsFromNothingToProved) {
  Case c;
  c.first_contact();
  EXPECT_EQ(c.step(), "make-request");
  c.seen.pending = {{"main", "spki-f1", "pem", c.now, KeyType::ecdsa_p256, c.desired.names}};
  EXPECT_EQ(c.step(), "submit");
  c.seen.answers = {{"spki-f1", Pending{c.now}}};
  EXPECT_EQ(c.step(), "rest");
  EXPECT_EQ(c.plan().stage, Stage::requested);
  c.seen.answers = {{"spki-f1", Issued{"pem", "root", "", c.now}}};
  EXPECT_EQ(c.step(), "stage");
  c.seen.pending.clear(), c.seen.answers.clear();
  c.seen.generations.all = {generation("g1", 1, leaf("f1"))};
  c.seen.candidates = {{"g1", good(), ""}};
  EXPECT_EQ(c.step(), "publish");
  c.seen.generations.current = "g1", c.seen.current = good(), c.seen.candidates.clear();
  c.seen.memory.publish = PublishAttempt{"g1", "", c.now, 0, std::nullopt, std::nullopt};
  const Plan settings = c.plan();
  ASSERT_TRUE(settings.action && std::holds_alternative<action::ChangeSettings>(*settings.action));
  const auto& values = std::get<action::ChangeSettings>(*settings.action).change.values;
  EXPECT_EQ(values.at("ssl_cert_file"), "/s/clusters/main/current/server.crt");
  EXPECT_EQ(values.at("ssl_key_file"), "/s/clusters/main/current/server.key");
  EXPECT_EQ(values.at("ssl"), "on");
  c.seen.memory.settings_changed_at = c.now;
  EXPECT_EQ(c.step(), "rest");
  EXPECT_FALSE(c.plan().at_rest) << "it looks again soon";
  c.seen.server.settings["ssl"].value = "on", c.seen.live.ours = true;
  EXPECT_EQ(c.step(), "reload");
  c.seen.probes = {served(leaf("f1"))};
  EXPECT_EQ(c.step(), "reload") << "a proof counts only after we told the server to read its files";
  c.seen.memory.publish->reloads = 1, c.seen.memory.publish->first_reload_at = c.seen.memory.publish->last_reload_at = c.now;
  EXPECT_EQ(c.step(), "mark-proved");
}

TEST(FirstIssue, WaitsForWhatIsMissing) {
  const auto rests = [](const std::function<void(Case&)>& bend) {
    Case c;
    c.first_contact();
    bend(c);
    EXPECT_EQ(c.step(), "rest");
    EXPECT_TRUE(c.plan().at_rest);
  };
  rests([](Case& c) { c.seen.issuer.available = false; });
  rests([](Case& c) { c.desired.names = {}; });
  rests([](Case& c) { c.seen.server.privileges.reload = false; });
  rests([](Case& c) { c.seen.server = PostgresSeen{}; });
  rests([](Case& c) { c.seen.memory.pause = Pause{c.now + 1h, "maintenance"}; });
  rests([](Case& c) { c.seen.memory.retry_at = c.now + 30s; });
}

TEST(FirstIssue, ASignalIsAWayToReloadToo) {
  Case c;
  c.first_contact();
  c.seen.server.privileges.reload = false;
  c.desired.own_uid = c.seen.server.server_uid;
  EXPECT_EQ(c.step(), "make-request");
  c.desired.own_uid = 998, c.desired.cluster.reload = {ReloadMethod::Kind::systemd, "postgresql@15-main"};
  EXPECT_EQ(c.step(), "make-request");
}

TEST(FirstIssue, TlsStaysOffWhereItIsNotWanted) {
  Case c;
  c.tls_off();
  c.desired.cluster.enable_ssl = false;
  const Plan p = c.plan();
  ASSERT_TRUE(p.action);
  EXPECT_FALSE(std::get<action::ChangeSettings>(*p.action).change.values.contains("ssl"));
  c.seen.live.ours = true;
  EXPECT_EQ(c.step(), "rest");
}

TEST(BackOff, IsNotStretchedByAClockThatWentBack) {
  Case c;
  c.first_contact();
  c.seen.memory.retry_at = c.now + days{365};
  EXPECT_EQ(c.step(), "make-request");
}

TEST(ColdStart, IssuesWhileTheServerIsDown) {
  Case c;
  c.seen.generations.all.clear(), c.seen.generations.current.clear(), c.seen.current.reset();
  c.seen.memory = {};
  c.seen.server.fault = ServerFault::down;
  c.seen.probes.clear();
  EXPECT_EQ(c.step(), "make-request");
  c.seen.generations.all = {generation("g1", 1, leaf("f1"))};
  c.seen.candidates = {{"g1", good(), ""}};
  EXPECT_EQ(c.step(), "publish");
  c.seen.generations.current = "g1", c.seen.current = good();
  EXPECT_EQ(c.step(), "rest");
  EXPECT_EQ(c.plan().stage, Stage::published);
  EXPECT_TRUE(c.plan().at_rest);
}

TEST(Proof, FollowsItsTimetable) {
  const auto step = [](std::uint32_t reloads, Duration ago) {
    Case c;
    c.publish_second(reloads, ago);
    const Plan p = c.plan();
    return std::string{p.action ? name(*p.action) : p.at_rest ? "rest" : "soon"};
  };
  EXPECT_EQ(step(0, 0ms), "reload");
  EXPECT_EQ(step(1, 100ms), "soon");
  EXPECT_EQ(step(1, 499ms), "soon");
  EXPECT_EQ(step(1, 500ms), "reload");
  EXPECT_EQ(step(2, 9s), "soon");
  EXPECT_EQ(step(2, 10s), "roll-back");
  EXPECT_EQ(step(1, -5s), "reload") << "the clock went back";
}

TEST(Proof, IsAwaitedWithoutAProblemUntilItsDeadline) {
  for (const auto& [ago, stale] : {std::pair<Duration, bool>{0ms, false}, {roll_back_after - 1ms, false}, {roll_back_after, true}, {-1ms, true}}) {
    Case c;
    c.publish_second(1, ago);
    EXPECT_EQ(c.has(ProblemCode::served_stale), stale) << ago.count();
  }
  Case c;
  c.publish_second();
  EXPECT_FALSE(c.has(ProblemCode::served_stale));   // not even reloaded yet
  c.seen.memory.publish->generation = "g1";
  EXPECT_TRUE(c.has(ProblemCode::served_stale));
  c.publish_second(1);
  c.seen.memory.refused.push_back({"g2", "", c.now});
  EXPECT_TRUE(c.has(ProblemCode::served_stale));
}

TEST(Proof, IsLookedForLessOftenTheLongerItTakes) {
  const auto pause_after = [](Duration since) {
    Case c;
    c.publish_second(2, since);
    return c.plan().wake_at - c.now;
  };
  EXPECT_EQ(pause_after(0ms), 25ms);
  EXPECT_EQ(pause_after(300ms), 100ms);
  EXPECT_EQ(pause_after(9s), 1s);
}

TEST(Proof, OneEndpointThatShowsItIsEnoughAndSilenceIsNothing) {
  const CertFacts wanted = leaf("f2"), other = leaf("f1");
  ProbeSeen silent;
  EXPECT_EQ(proof_of({}, "f2"), Proof::unknown);
  EXPECT_EQ(proof_of({silent}, "f2"), Proof::unknown);
  EXPECT_EQ(proof_of({silent, served(wanted)}, "f2"), Proof::shown);
  EXPECT_EQ(proof_of({served(other), served(wanted)}, "f2"), Proof::shown);
  EXPECT_EQ(proof_of({served(other), silent}, "f2"), Proof::contradicted);
  EXPECT_EQ(proof_of({refused_tls()}, "f2"), Proof::contradicted);
}

TEST(Proof, WaitsWhereNothingCanBeProbed) {
  Case c;
  c.publish_second(1, 20s);
  c.seen.probes.clear();
  EXPECT_EQ(c.step(), "rest");
  c.seen.memory.publish->reloads = 0;
  EXPECT_EQ(c.step(), "reload");
  c.seen.server.fault = ServerFault::down;
  EXPECT_EQ(c.step(), "rest");
  EXPECT_EQ(c.plan().stage, Stage::published);
}

TEST(RollBack, GoesToTheNewestProvedPairThatIsWhole) {
  Case c;
  c.publish_second(2, 11s);
  ASSERT_EQ(c.step(), "roll-back");
  EXPECT_EQ(std::get<action::RollBack>(*c.plan().action).to, "g1");
  c.seen.generations.all.front().complete = false;
  EXPECT_EQ(c.step(), "rest") << "nothing to go back to";
}

TEST(RollBack, OfAFirstIssueGoesBackToTheSettings) {
  Case c;
  c.publish_second(2, 11s);
  c.seen.generations.all.erase(c.seen.generations.all.begin());
  c.seen.memory.proved.clear();
  c.seen.probes = {refused_tls()};
  c.seen.memory.original_auto_conf.emplace();
  ASSERT_EQ(c.step(), "roll-back");
  EXPECT_EQ(std::get<action::RollBack>(*c.plan().action).to, "");
  c.seen.memory.original_ssl_on = true;
  EXPECT_EQ(c.step(), "rest");
}

TEST(RollBack, IsFinishedAfterACrash) {
  Case c;
  c.publish_second(2, 11s);
  c.seen.memory.refused = {{"g2", "", c.now}};
  EXPECT_EQ(c.step(), "roll-back");
  c.seen.server.fault = ServerFault::down;
  EXPECT_EQ(c.step(), "roll-back") << "files can be put back while the server is down";
}

TEST(RollBack, IsNotRolledBackAgain) {
  Case c;
  c.publish_second(2, 11s);
  c.seen.generations.all.back().origin = Origin::rolled_back;
  EXPECT_NE(c.step(), "roll-back");
}

TEST(Stale, AProvedGenerationIsReloadedAndNeverRolledBack) {
  Case c;
  c.seen.probes = {served(leaf("f0"))};
  EXPECT_EQ(c.step(), "reload");
  c.seen.memory.publish = PublishAttempt{"g1", "g1", c.now - 1h, 2, c.now - 1h, c.now - 1s};
  EXPECT_EQ(c.step(), "rest");
  EXPECT_TRUE(c.plan().at_rest);
  c.seen.memory.publish->last_reload_at = c.now - 10ms;
  EXPECT_FALSE(c.plan().at_rest);
  c.seen.memory.publish->last_reload_at = c.now - 2min;
  EXPECT_EQ(c.step(), "reload");
  c.seen.memory.publish->last_reload_at = c.now - 10ms;
  c.seen.probes = {served(leaf("f1"))};
  EXPECT_EQ(c.step(), "mark-proved");
  c.seen.probes = {served(leaf("f0"))}, c.seen.server.privileges.reload = false;
  EXPECT_EQ(c.step(), "rest");
}

TEST(Takeover, IsGivenOnlyWhereThereIsSomethingToTake) {
  const auto may = [](const Bend& bend) {
    Case c;
    bend(c);
    return may_be_taken_over(c.desired, c.seen);
  };
  EXPECT_FALSE(may([](Case&) {})) << "our own pair";
  EXPECT_FALSE(may([](Case& c) { c.first_contact(); })) << "no TLS";
  EXPECT_FALSE(may([](Case& c) { c.foreign(), c.seen.server.known = false; }));
  EXPECT_FALSE(may([](Case& c) { c.foreign(), c.seen.server.known = false, c.seen.memory.linked_at = t0; }));
  EXPECT_FALSE(may([](Case& c) { c.foreign(), c.seen.live.snakeoil = true; }));
  EXPECT_TRUE(may([](Case& c) { c.foreign(); }));
  EXPECT_TRUE(may([](Case& c) { c.foreign(), c.consent(); })) << "said twice";
  EXPECT_TRUE(may([](Case& c) { c.foreign(), c.desired.cluster.takeover = TakeoverPolicy::always; })) << "said, though it need not be";
  EXPECT_TRUE(may([](Case& c) { c.current().changed = true; })) << "somebody changed our files";
  EXPECT_TRUE(may([](Case& c) { c.foreign(), c.seen.memory.linked_at = t0; })) << "somebody replaced our links";
}

TEST(Takeover, AsksBeforeItTouchesSomebodyElsesCertificate) {
  Case c;
  c.foreign();
  EXPECT_TRUE(needs_takeover(c.desired, c.seen));
  EXPECT_EQ(c.step(), "rest");
  EXPECT_TRUE(c.has(ProblemCode::takeover_needed));
  EXPECT_FALSE(c.has(ProblemCode::cert_missing));
  const auto free = [&](const std::function<void(Case&)>& bend) {
    Case other = c;
    bend(other);
    return !needs_takeover(other.desired, other.seen);
  };
  EXPECT_TRUE(free([](Case& x) { x.desired.cluster.takeover = TakeoverPolicy::always; }));
  EXPECT_TRUE(free([](Case& x) { x.consent(); }));
  EXPECT_FALSE(free([](Case& x) { x.consent(), x.seen.live.chain = {leaf("fa")}; })) << "the consent was to another one";
  EXPECT_TRUE(free([](Case& x) { x.seen.live.chain.clear(), x.consent(); })) << "one that cannot be read is known by its path";
  EXPECT_TRUE(free([](Case& x) { x.seen.live.snakeoil = true; }));
  EXPECT_TRUE(free([](Case& x) { x.seen.server.settings["ssl"].value = "off"; }));
  EXPECT_TRUE(free([](Case& x) { x.seen.live.judgement.loads = false, x.seen.probes = {refused_tls()}; }));
  EXPECT_FALSE(free([](Case& x) { x.seen.live.judgement.loads = false; })) << "it is still served";
  EXPECT_FALSE(free([](Case& x) { x.seen.probes.clear(); })) << "it loads";
  const auto own = [](Case& x) { x.seen.live.chain.front().authority_key_id = "aa", x.seen.live.judgement.chain_ok = true; };
  EXPECT_TRUE(free(own));
  EXPECT_FALSE(free([&](Case& x) { own(x), x.seen.live.chain.front().names.dns.push_back("old.example.org"); })) << "a name would be dropped";
  EXPECT_FALSE(free([&](Case& x) { own(x), x.seen.live.chain.front().names.ip.push_back("10.0.0.9"); }));
}

TEST(Takeover, CopiesWhatIsLiveBeforePathsMove) {
  Case c;
  c.foreign();
  c.desired.cluster.takeover = TakeoverPolicy::always;
  EXPECT_EQ(c.step(), "adopt");
  c.seen.generations.all = {generation("g1", 1, c.seen.live.chain.front())};
  c.current().origin = Origin::adopted;
  c.seen.candidates = {{"g1", good(), ""}};
  EXPECT_EQ(c.step(), "publish");
  c.seen.generations.current = "g1";
  EXPECT_EQ(c.step(), "change-settings");
  EXPECT_FALSE(std::get<action::ChangeSettings>(*c.plan().action).change.values.contains("ssl")) << "it is on already";
  Case renewed = c;
  renewed.seen.live.chain = {leaf("fe")}, renewed.seen.live.chain.front().authority_key_id = "bb", renewed.seen.probes = {served(leaf("fe"))};
  EXPECT_EQ(renewed.step(), "adopt") << "somebody renewed it meanwhile: copied again";
  c.seen.live.ours = true;
  EXPECT_EQ(c.step(), "reload");
  c.seen.memory.proved = {{"g1", "ff", c.now}};
  EXPECT_EQ(c.step(), "make-request") << "then it is rotated";
  c.seen.memory.pause = Pause{c.now + 1h, ""};
  EXPECT_EQ(c.step(), "rest");
}

TEST(Candidates, AreRefusedPublishedOrLeft) {
  Case c;
  c.seen.memory.rotate_asked_at = c.now;
  c.seen.generations.all.push_back(generation("g2", 2, leaf("f2", c.now)));
  c.seen.candidates = {{"g2", good(), ""}};
  EXPECT_EQ(c.step(), "publish");
  c.seen.candidates.front().preflight_error = "bad";
  EXPECT_EQ(c.step(), "refuse");
  c.seen.memory.pause = Pause{c.now + 1h, ""};
  EXPECT_EQ(c.step(), "rest");
  c.seen.memory.pause.reset(), c.seen.memory.rotate_asked_at.reset();
  EXPECT_EQ(c.step(), "collect") << "nobody wants it any more";
  Case older;
  older.seen.memory.rotate_asked_at = older.now;
  older.seen.generations.all.insert(older.seen.generations.all.begin(), generation("g0", 0, leaf("f0")));
  older.seen.candidates = {{"g0", good(), ""}};
  EXPECT_EQ(older.step(), "collect") << "an older one is never the next";
}

TEST(Requests, AreDroppedWhenTheyDoNotFitAnyMore) {
  Case c;
  c.seen.pending = {{"main", "spki-f2", "pem", c.now, KeyType::ecdsa_p256, c.desired.names}};
  EXPECT_EQ(c.step(), "drop-request");
  c.seen.memory.rotate_asked_at = c.now;
  EXPECT_EQ(c.step(), "submit");
  c.seen.pending.front().key_type = KeyType::rsa_2048;
  EXPECT_EQ(c.step(), "drop-request");
  c.seen.pending.front().key_type = KeyType::ecdsa_p256, c.seen.pending.front().names.dns = {"other"};
  EXPECT_EQ(c.step(), "drop-request");
  c.seen.pending.front().names = c.desired.names, c.seen.answers = {{"spki-f2", Refused{make_error(Errc::refused, "no")}}};
  EXPECT_EQ(c.step(), "drop-request");
  c.seen.answers = {{"spki-f2", Refused{make_error(Errc::database, "disk I/O error")}}};
  EXPECT_EQ(c.step(), "submit") << "what the root signed for it may be there";
  c.seen.answers.clear(), c.seen.issuer.available = false;
  EXPECT_EQ(c.step(), "rest");
}

TEST(Requests, OnlyARenewalMustOutliveWhatIsInUse) {
  Case c;
  c.now = *c.plan().renew_at;
  c.seen.pending = {{"main", "spki-f2", "pem", c.now, KeyType::ecdsa_p256, c.desired.names}};
  ASSERT_EQ(c.step(), "submit");
  EXPECT_EQ(std::get<action::Submit>(*c.plan().action).outlive, leaf("f1").not_after);
  c.seen.current->revoked = true;
  EXPECT_FALSE(std::get<action::Submit>(*c.plan().action).outlive);
}

TEST(Files, AreRepairedFirst) {
  Case c;
  c.current().files.back().mode = 0644;
  c.seen.memory.rotate_asked_at = c.now;
  ASSERT_EQ(c.step(), "repair-file");
  EXPECT_EQ(std::get<action::RepairFile>(*c.plan().action).role, FileRole::key);
  EXPECT_TRUE(c.has(ProblemCode::file_permissions));
  EXPECT_TRUE(c.has(ProblemCode::key_exposed));
  c.current().files.back().links = 2;
  EXPECT_NE(c.step(), "repair-file") << "a hard link is not touched";
  c.current().files.back() = {"/s/server.key", FileSeen::Kind::regular, 77, 26, 0600, 100, 1};
  EXPECT_EQ(c.step(), "repair-file");
  EXPECT_TRUE(c.has(ProblemCode::file_owner));
  EXPECT_FALSE(c.has(ProblemCode::key_exposed));
}

TEST(Collect, KeepsCurrentTheLastProvedTheWayBackAndThreeKeys) {
  Case c;
  c.seen.generations.all.clear(), c.seen.memory.proved.clear();
  for (std::uint64_t i = 1; i <= 8; ++i) {
    const std::string n = std::to_string(i);
    c.seen.generations.all.push_back(generation("g" + n, i, leaf("f" + n)));
    c.seen.memory.proved.push_back({"g" + n, "f" + n, t0});
  }
  c.seen.generations.current = "g8", c.seen.generations.way_back = "g1";
  c.seen.live.chain = {leaf("f8")}, c.seen.probes = {served(leaf("f8"))};
  ASSERT_EQ(c.step(), "collect");
  EXPECT_EQ(std::get<action::Collect>(*c.plan().action).generations, (std::vector<std::string>{"g5", "g4", "g3", "g2"}));
  c.seen.generations.all.erase(c.seen.generations.all.begin() + 1, c.seen.generations.all.begin() + 5);
  EXPECT_EQ(c.step(), "rest");
  c.seen.generations.all[1].complete = false;
  EXPECT_EQ(c.step(), "collect") << "half a generation is of no use";
}

TEST(Collect, DoesNotHoldUpWhatIsAboutToBePublished) {
  Case c;
  c.seen.memory.rotate_asked_at = c.now;
  c.seen.generations.all.insert(c.seen.generations.all.begin(), generation("g0", 0, leaf("f0")));   // to be collected
  c.seen.generations.all.push_back(generation("g2", 2, leaf("f2", c.now)));
  c.seen.candidates = {{"g2", good(), ""}};
  EXPECT_EQ(c.step(), "publish");
  c.seen.memory.pause = Pause{c.now + 1h, ""};
  EXPECT_EQ(c.step(), "collect") << "nothing is published while it is paused";
  c.seen.memory.pause.reset(), c.seen.candidates.front().preflight_error = "bad";
  EXPECT_EQ(c.step(), "collect");
  c.seen.candidates.clear();
  EXPECT_EQ(c.step(), "collect");
}

TEST(Settings, ThatDoNotTakeEffectAreTriedWithBackOff) {
  Case c;
  c.tls_off();
  c.seen.generations.current = "g1";
  ASSERT_EQ(c.step(), "change-settings");
  c.seen.memory.settings_changed_at = c.now - 3s, c.seen.memory.settings_tries = 2;
  EXPECT_EQ(c.step(), "rest");
  EXPECT_TRUE(c.has(ProblemCode::settings_shadowed));
  c.seen.memory.settings_changed_at = c.now - 121s;
  EXPECT_EQ(c.step(), "change-settings");
  c.seen.memory.settings_changed_at = c.now + 1h;
  EXPECT_EQ(c.step(), "change-settings") << "the clock went back";
  c.seen.memory.settings_changed_at.reset(), c.seen.server.fault = ServerFault::down;
  EXPECT_EQ(c.step(), "rest");
}

TEST(Settings, ThatStandInForceAreNoReasonToHoldBackTheNext) {
  const auto stand = [](Duration ago, const Bend& bend = [](Case&) {}) {
    Case c;
    c.seen.memory.settings_changed_at = c.now - ago, c.seen.memory.settings_tries = 1;
    bend(c);
    return settings_stand(c.desired, c.seen, c.now);
  };
  EXPECT_TRUE(stand(60s));
  EXPECT_FALSE(stand(60s - 1ms)) << "somebody may be about to take them back";
  EXPECT_FALSE(stand(60s, [](Case& c) { c.seen.server.settings["ssl"].value = "off"; }));
  EXPECT_FALSE(stand(60s, [](Case& c) { c.seen.server.fault = ServerFault::down; }));
  EXPECT_FALSE(stand(60s, [](Case& c) { c.seen.live.ours = false; }));
  EXPECT_FALSE(stand(60s, [](Case& c) { c.seen.memory.settings_changed_at.reset(); })) << "none are awaited";
}

TEST(Wake, ComesForTheNextDateOrTheNextPass) {
  Case c;
  c.now = *c.plan().renew_at - 10s;
  EXPECT_EQ(c.plan().wake_at, c.now + 10s);
  c.seen.memory.pause = Pause{c.now + 5s, ""};
  EXPECT_EQ(c.plan().wake_at, c.now + 5s);
  c.seen.memory.retry_at = c.now + 2s;
  EXPECT_EQ(c.plan().wake_at, c.now + 2s);
}

TEST(Plan, IsTheSameForTheSameObservation) {
  Case c;
  c.publish_second(1, 100ms);
  const Plan a = c.plan(), b = c.plan();
  EXPECT_EQ(a.reasons, b.reasons);
  EXPECT_EQ(a.wake_at, b.wake_at);
  EXPECT_EQ(a.findings, b.findings);
}

TEST(Actions, SayWhatTheyDo) {
  const std::vector<Action> all{action::MakeRequest{KeyType::ecdsa_p256, {}}, action::Submit{"ab", {}}, action::DropPending{"ab", "old"}, action::Stage{"ab"}, action::Adopt{},
                                action::Refuse{"g", "f", "r"}, action::Publish{"g"}, action::ChangeSettings{{{{"ssl", "on"}, {"ssl_cert_file", std::nullopt}}}, ""}, action::Reload{"g"},
                                action::MarkProved{"g"}, action::RollBack{"g", "h", ""}, action::PutBack{"g", ""}, action::RepairFile{"g", FileRole::key}, action::Collect{{"g"}},
                                action::Restart{"f", "pg_ctl"}, action::NoteRestart{true}, action::LinkLive{FileRole::key, "/data/server.key"}, action::Refresh{"newer"}};
  std::set<std::string> names, texts;
  for (const Action& a : all) names.emplace(name(a)), texts.insert(describe(a));
  EXPECT_EQ(names.size(), std::variant_size_v<Action>);
  EXPECT_EQ(texts.size(), std::variant_size_v<Action>);
  EXPECT_EQ(describe(all[7]), "set ssl = 'on' ssl_cert_file back and reload");
  EXPECT_EQ(describe(Action{action::Submit{"0123456789abcdef01", {}}}), "hand request 0123456789abcdef to the issuer");
  EXPECT_EQ(to_string(track(all[7])), "settings");
  EXPECT_EQ(to_string(track(all[12])), "files");
  EXPECT_EQ(to_string(track(all[0])), "leaf");
}

}  // namespace
}  // namespace pgcertd::testing
