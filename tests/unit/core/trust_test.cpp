// Covers lib/core/trust.cpp, and the rules of the walk that install anchors and CRLs.
#include "core/trust.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::trust_tests {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string current = "/s/clusters/main/current/";

CrlFacts crl(const std::string& ca, const std::string& number, TimePoint at = t0) {
  CrlFacts out;
  out.issuer = "CN=" + ca, out.authority_key_id = "key of " + ca, out.number = number, out.this_update = at, out.next_update = at + days{30};
  out.fingerprint_sha256 = ca + number;
  return out;
}

std::vector<CrlFacts> set_of(int number, TimePoint at = t0) { return {crl("root", "1"), crl("issuing", std::to_string(number), at)}; }

// A client certificate was given out, the current generation holds the issuer's set, and nothing is set yet.
struct TrustCase : Case {
  TrustCase() {
    seen.issuer.root_pem = "root";
    seen.trust_set.crls = set_of(5), seen.trust_set.crl_pem = "crls", seen.trust_set.root_pem = "root";
    seen.issuer.clients = {{"alice", "40", t0, t0 + days{90}, false}};
    CertFacts root;
    root.fingerprint_sha256 = "r";
    seen.trust_set.roots = {root};
    this->current().roots = {root}, this->current().crls = set_of(5);
    seen.server.settings["ssl_ca_file"] = {"", "default", "", 0, false};
    seen.server.settings["ssl_crl_file"] = {"", "default", "", 0, false};
  }
  void in_force() {
    seen.server.settings["ssl_ca_file"].value = trust_tests::current + "root.crt";
    seen.server.settings["ssl_crl_file"].value = trust_tests::current + "root.crl";
    seen.memory.crl_proved = "g1";
  }
  void newer(int number = 6) { seen.trust_set.crls = set_of(number, t0 + 1s * number); }
};

TrustCase bent(const std::function<void(TrustCase&)>& bend) {
  TrustCase c;
  bend(c);
  return c;
}

TEST(TrustWish, NeedsSomebodyWithACertificate) {
  const auto wanted = [](const std::function<void(TrustCase&)>& bend) {
    const TrustCase c = bent(bend);
    const TrustWish wish = trust_wish(c.desired, c.seen);
    EXPECT_FALSE(wish.why.empty());
    return wish.wanted;
  };
  EXPECT_TRUE(wanted([](TrustCase&) {}));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.seen.issuer.clients.clear(); }));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.desired.cluster.client_ca = ClientCaPolicy::off; }));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.seen.issuer.root_pem.clear(); }));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.seen.server.known = false; }));
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file", "ssl_crl_dir"})
    EXPECT_FALSE(wanted([&](TrustCase& c) { c.seen.server.settings[setting].value = "theirs"; })) << setting;
  EXPECT_TRUE(wanted([](TrustCase& c) { c.in_force(), c.desired.cluster.client_ca = ClientCaPolicy::off; })) << "never switched off by itself";
  const auto merge = [](TrustCase& c) { c.seen.server.settings["ssl_ca_file"].value = "theirs", c.desired.cluster.client_ca = ClientCaPolicy::merge; };
  EXPECT_TRUE(wanted(merge));
  EXPECT_FALSE(wanted([&](TrustCase& c) { merge(c), c.seen.server.settings["ssl_crl_dir"].value = "theirs"; })) << "a directory is not merged";
  const auto row = [](const char* method, std::vector<std::string> options) {
    return [=](TrustCase& c) {
      c.seen.issuer.clients.clear();
      HbaRule rule;
      rule.type = "hostssl", rule.method = method, rule.options = options, rule.line = 7;
      c.seen.detail.emplace().hba = {rule};
    };
  };
  EXPECT_TRUE(wanted(row("cert", {})));
  EXPECT_TRUE(wanted(row("trust", {"clientcert=verify-full"})));
  EXPECT_FALSE(wanted(row("trust", {})));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.seen.issuer.clients.clear(), c.seen.detail.emplace(); })) << "rows that may not be read";
}

TEST(TrustInForce, TakesBoth) {
  EXPECT_FALSE(trust_in_force(TrustCase{}.seen));
  EXPECT_TRUE(trust_in_force(bent([](TrustCase& c) { c.in_force(); }).seen));
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file"})
    EXPECT_FALSE(trust_in_force(bent([&](TrustCase& c) { c.in_force(), c.seen.server.settings[setting].value.clear(); }).seen));
  EXPECT_FALSE(trust_in_force(bent([](TrustCase& c) { c.in_force(), c.seen.server.known = false; }).seen));
}

TEST(CrlsFollow, OnlyWhatMovesOn) {
  const auto fault = [](const CrlFacts& before, const CrlFacts& after) { return crls_follow({before}, {after}); };
  const CrlFacts nine = crl("a", "9"), ten = crl("a", "10", t0 + 1s);
  EXPECT_THAT(fault(nine, ten), IsEmpty()) << "numbers, not words";
  EXPECT_THAT(fault(ten, nine), HasSubstr("number 9 of CN=a does not follow number 10"));
  EXPECT_THAT(fault(nine, nine), IsEmpty()) << "the same one";
  CrlFacts same_number = crl("a", "9", t0 + 1s);
  same_number.fingerprint_sha256 = "else";
  EXPECT_THAT(fault(nine, same_number), HasSubstr("does not follow"));
  EXPECT_THAT(fault(nine, crl("a", "10", t0)), HasSubstr("no later"));
  EXPECT_THAT(fault(nine, crl("b", "1")), IsEmpty()) << "of another CA";
  CrlFacts renewed = crl("a", "1");
  renewed.authority_key_id = "another key";
  EXPECT_THAT(fault(nine, renewed), IsEmpty()) << "the CA's next key counts anew";
  EXPECT_THAT(crls_follow({}, {nine}), IsEmpty());
}

TEST(CrlFault, EachReason) {
  const auto fault = [](const std::function<void(CrlFacts&)>& bend) {
    CrlFacts c = crl("a", "9");
    bend(c);
    return crl_fault(c, t0 + days{1});
  };
  EXPECT_THAT(fault([](CrlFacts&) {}), IsEmpty());
  EXPECT_THAT(fault([](CrlFacts& c) { c.delta = true; }), HasSubstr("delta"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.indirect = true; }), HasSubstr("indirect"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.unknown_critical = true; }), HasSubstr("critical"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.number.clear(); }), HasSubstr("no CRL number"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.this_update = t0 + days{1} + 1ms; }), HasSubstr("begins only"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.this_update = t0 + days{1}; }), IsEmpty());
  EXPECT_THAT(fault([](CrlFacts& c) { c.next_update.reset(); }), HasSubstr("nextUpdate"));
  EXPECT_THAT(fault([](CrlFacts& c) { c.next_update = t0 + days{1}; }), HasSubstr("ended"));
}

TEST(TrustWalk, SetsBothTogetherOnce) {
  const TrustCase c;
  const Plan p = c.plan();
  ASSERT_TRUE(p.action && std::holds_alternative<action::ChangeSettings>(*p.action)) << c.step();
  EXPECT_THAT(std::get<action::ChangeSettings>(*p.action).change.values,
              ::testing::UnorderedElementsAre(::testing::Pair("ssl_ca_file", current + "root.crt"), ::testing::Pair("ssl_crl_file", current + "root.crl")));
  const auto step = [](const std::function<void(TrustCase&)>& bend) { return bent(bend).step(); };
  EXPECT_EQ(step([](TrustCase& x) { x.in_force(); }), "rest");
  EXPECT_EQ(step([](TrustCase& x) { x.seen.issuer.clients.clear(); }), "rest");
  EXPECT_EQ(step([](TrustCase& x) { x.seen.trust_set.crls.clear(); }), "rest") << "complete or not at all";
  EXPECT_EQ(step([](TrustCase& x) { x.current().crls.clear(), x.seen.trust_set.crls.clear(); }), "rest");
  EXPECT_EQ(step([](TrustCase& x) { x.current().roots.clear(); }), "refresh-crls") << "the files come first";
  EXPECT_EQ(step([](TrustCase& x) { x.current().crls.clear(); }), "refresh-crls");
  EXPECT_EQ(step([](TrustCase& x) { x.seen.memory.pause = Pause{x.now + 1h, ""}; }), "rest") << "settings stop with a pause";
  EXPECT_EQ(step([](TrustCase& x) { x.seen.server.fault = ServerFault::down; }), "rest");
  EXPECT_EQ(step([](TrustCase& x) { x.seen.server.privileges.reload = false; }), "rest");
  EXPECT_EQ(step([](TrustCase& x) { x.seen.memory.settings_changed_at = x.now - 3s, x.seen.memory.settings_tries = 1; }), "rest") << "they have not come into force yet";
}

TEST(TrustWalk, ANewSetIsCarriedInByTheLivePair) {
  const auto step = [](const std::function<void(TrustCase&)>& bend) {
    return bent([&](TrustCase& c) { c.in_force(), c.newer(), bend(c); }).step();
  };
  EXPECT_EQ(step([](TrustCase&) {}), "refresh-crls");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.pause = Pause{c.now + 1h, ""}; }), "refresh-crls") << "a pause never stops CRLs";
  EXPECT_EQ(step([](TrustCase& c) { c.seen.issuer.available = false; }), "refresh-crls");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.rotate_asked_at = c.now, c.seen.pending = {PendingSeen{"main", "p", "", c.now, KeyType::ecdsa_p256, c.desired.names}}, c.seen.answers = {{"p", Pending{}}}; }),
            "refresh-crls")
      << "nor does a request that waits";
  EXPECT_EQ(step([](TrustCase& c) { c.seen.trust_set.crls = set_of(4, t0 + days{1}); }), "rest") << "never back";
  EXPECT_EQ(step([](TrustCase& c) { c.desired.cluster.crl_max_entries = 9, c.seen.trust_set.crls.back().revoked = 10; }), "rest");
  EXPECT_EQ(step([](TrustCase& c) { c.desired.cluster.crl_max_entries = 10, c.seen.trust_set.crls.back().revoked = 10; }), "refresh-crls");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.clock_doubt = ClockDoubt{}, c.seen.clock_doubt->until = c.now + 1h; }), "rest");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.trust_trouble = TrustTrouble{"why", "", c.now - 59s, 1}; }), "rest");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.trust_trouble = TrustTrouble{"why", "", c.now - 60s, 1}; }), "refresh-crls");
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.trust_trouble = TrustTrouble{"why", "", c.now + 1h, 1}; }), "refresh-crls") << "the clock was set back";
  EXPECT_EQ(step([](TrustCase& c) { c.seen.memory.proved.clear(), c.seen.memory.publish = PublishAttempt{"g1", "", c.now, 1, c.now, c.now}; }), "mark-proved") << "the rotation that is open comes first";
}

TEST(TrustWalk, NothingIsBuiltOnWhatIsNotWhole) {
  const auto wanted = [](const std::function<void(TrustCase&)>& bend) {
    const TrustCase c = bent([&](TrustCase& x) { x.in_force(), x.newer(), bend(x); });
    return trust_step(c.desired, c.seen).wanted;
  };
  EXPECT_TRUE(wanted([](TrustCase&) {}));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.current().complete = false; }));
  EXPECT_FALSE(wanted([](TrustCase& c) { c.seen.generations.current.clear(); }));
}

TEST(TrustWalk, AnotherRootComesWithItsCrls) {
  TrustCase c;
  c.in_force();
  c.seen.trust_set.roots.front().fingerprint_sha256 = "r2";
  c.newer();
  EXPECT_EQ(c.step(), "refresh-crls");
}

// A refreshed generation beside the one that is current.
TrustCase staged() {
  TrustCase c;
  c.in_force(), c.newer();
  GenerationSeen g = generation("g2", 2, leaf("f1"));
  g.origin = Origin::refreshed, g.crls = c.seen.trust_set.crls, g.roots = c.current().roots;
  c.seen.generations.all.push_back(g);
  c.seen.candidates = {CandidateJudgement{"g2", good(), ""}};
  return c;
}

TEST(TrustWalk, ARefreshedGenerationIsPublishedReloadedAndShown) {
  EXPECT_EQ(staged().step(), "publish");
  TrustCase refused = staged();
  refused.seen.candidates.front().preflight_error = "a good client certificate would be refused";
  EXPECT_EQ(refused.step(), "refuse");
  TrustCase published = staged();
  published.seen.generations.current = "g2";
  published.seen.memory.publish = PublishAttempt{"g2", "g1", published.now, 0, std::nullopt, std::nullopt};
  EXPECT_EQ(published.step(), "reload") << "that the leaf is served says nothing of a CRL";
  TrustCase reloaded = published;
  reloaded.seen.memory.publish = PublishAttempt{"g2", "g1", published.now - 1s, 1, published.now - 1s, published.now - 1s};
  const auto step = [&](CanaryVerdict verdict, Duration ago = 1s) {
    TrustCase x = reloaded;
    x.seen.canary = verdict;
    x.seen.memory.publish->first_reload_at = x.seen.memory.publish->last_reload_at = x.now - ago;
    return x.step();
  };
  EXPECT_EQ(step(CanaryVerdict::loaded), "mark-proved");
  EXPECT_EQ(step(CanaryVerdict::unknown), "mark-proved") << "nothing could be asked";
  EXPECT_EQ(step(CanaryVerdict::locked_out), "mark-proved") << "told, and not made worse";
  EXPECT_EQ(step(CanaryVerdict::stale, 100ms), "rest");
  EXPECT_EQ(step(CanaryVerdict::stale), "reload");
  EXPECT_EQ(step(CanaryVerdict::stale, 11s), "reload") << "there is nothing better to go back to";
}

TEST(TrustWalk, AStaleServerIsReloadedAlsoLater) {
  TrustCase c;
  c.in_force();
  c.seen.memory.crl_proved = "g0";
  EXPECT_EQ(c.step(), "rest");
  c.seen.canary = CanaryVerdict::loaded;
  EXPECT_EQ(c.step(), "mark-proved");
  c.seen.canary = CanaryVerdict::stale;
  EXPECT_EQ(c.step(), "reload");
  EXPECT_TRUE(c.has(ProblemCode::crl_not_loaded));
  c.seen.memory.crl_proved = "g1";
  EXPECT_EQ(c.step(), "rest") << "it is known";
}

TEST(TrustFindings, WhatHasJustBeenPublishedAwaitsItsReload) {
  TrustCase c;
  c.in_force();
  c.seen.crl_set.emplace();
  c.seen.crl_set->modified = c.now - 5s;
  c.seen.server.config_loaded = c.now - 60s;
  EXPECT_TRUE(c.has(ProblemCode::crl_not_loaded));
  c.seen.memory.publish = PublishAttempt{c.current().id, "", c.now - 1s, 0, std::nullopt, std::nullopt};
  EXPECT_FALSE(c.has(ProblemCode::crl_not_loaded));
  c.seen.canary = CanaryVerdict::stale;
  EXPECT_FALSE(c.has(ProblemCode::crl_not_loaded));
  c.seen.memory.publish->at = c.now - 1h;
  EXPECT_TRUE(c.has(ProblemCode::crl_not_loaded));
}

TEST(TrustFindings, EachOnce) {
  const auto codes = [](const std::function<void(TrustCase&)>& bend) {
    const TrustCase c = bent([&](TrustCase& x) { x.in_force(), bend(x); });
    std::vector<std::string> out;
    for (const Finding& f : judge_trust(c.desired, c.seen)) {
      EXPECT_EQ(f.object, current + "root.crl");
      EXPECT_FALSE(f.remedy.empty());
      out.push_back(std::string{to_string(f.code)} + (f.severity == Severity::critical ? "!" : ""));
    }
    return out;
  };
  using ::testing::ElementsAre;
  EXPECT_THAT(codes([](TrustCase&) {}), IsEmpty());
  EXPECT_THAT(codes([](TrustCase& c) { c.seen.trust_set.crls = set_of(4, t0 + days{1}); }), ElementsAre("crl-untrusted!"));
  EXPECT_THAT(codes([](TrustCase& c) { c.newer(), c.seen.trust_set.crls.back().revoked = 2'000'000; }), ElementsAre("crl-oversize"));
  EXPECT_THAT(codes([](TrustCase& c) { c.seen.trust_set.crls.clear(), c.seen.trust_set.why = "the root's CRL ended"; }), ElementsAre("crl-missing"));
  EXPECT_THAT(codes([](TrustCase& c) { c.newer(), c.seen.memory.trust_trouble = TrustTrouble{"dropped", "import", c.now, 1}; }), ElementsAre("crl-untrusted!"));
  EXPECT_THAT(codes([](TrustCase& c) { c.seen.memory.trust_trouble = TrustTrouble{"dropped", "import", c.now, 1}; }), ElementsAre()) << "what it was about is no more";
  EXPECT_THAT(codes([](TrustCase& c) { c.seen.canary = CanaryVerdict::stale; }), ElementsAre("crl-not-loaded!"));
  EXPECT_THAT(codes([](TrustCase& c) { c.seen.canary = CanaryVerdict::locked_out; }), ElementsAre("crl-untrusted!"));
  TrustCase nobody;
  nobody.seen.issuer.clients.clear(), nobody.seen.trust_set.crls.clear();
  EXPECT_THAT(judge_trust(nobody.desired, nobody.seen), IsEmpty());
}

TEST(PutBackWithCrls, LeadsToAnotherPairThanTheLiveOne) {
  TrustCase c;
  c.in_force();
  GenerationSeen refreshed = generation("g2", 2, leaf("f1"));
  refreshed.origin = Origin::refreshed;
  c.seen.generations.all.push_back(refreshed);
  c.seen.generations.current = "g2";
  c.seen.memory.proved = {{"g1", "f1", t0}, {"g2", "f1", t0}};
  EXPECT_EQ(pair_to_put_back(c.seen, c.now, true), nullptr) << "the one before is the same pair";
  EXPECT_NE(pair_to_put_back(c.seen, c.now, false), nullptr) << "good enough where the files are spoiled";
}

}  // namespace
}  // namespace pgcertd::testing::trust_tests
