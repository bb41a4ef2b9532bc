// Covers lib/ca/root_ca.cpp and chained_log.cpp, and what an issuing CA takes back from the root.
#include "ca/root_ca.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "ca/issuing_ca.hpp"
#include "core/trust.hpp"
#include "unit/support/test_ca.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca::root_ca_tests {
namespace {

using namespace pgcertd::test;
using ::testing::HasSubstr;

RootCa root_of(const TestCa& ca, TimePoint now = start) {
  auto opened = RootCa::open(ca.root, nullptr, now);
  EXPECT_TRUE(opened) << opened.error().text();
  return std::move(opened).value();
}

IssuingCa issuing_of(const TestCa& ca) { return std::move(IssuingCa::open(ca.issuing, nullptr, days{30}, {})).value(); }

SigningWish issuing_wish(const IssuingCa& ca, Duration lifetime = days{730}) { return {.profile = SigningProfile::issuing, .common_name = ca.certificate().facts().common_name, .names = {}, .lifetime = lifetime}; }

std::string bundle(const x509::Certificate& made, const RootCa& root) { return made.pem() + root.certificate().pem() + (*root.crl())->pem(); }

TEST(RootCa, RenewsAnIssuingCaByItsRequest) {
  TestCa ca;
  IssuingCa issuing = issuing_of(ca);
  RootCa root = root_of(ca);
  const auto request = issuing.own_request();
  ASSERT_TRUE(request) << request.error().text();
  const auto facts = x509::parse_request(*request, "request").value();
  EXPECT_TRUE(facts.asks_for_ca && facts.signature_ok);
  const TimePoint later = start + days{365};
  const auto made = root.sign(*request, issuing_wish(issuing), later);
  ASSERT_TRUE(made) << made.error().text();
  EXPECT_EQ(made->facts().subject, issuing.certificate().facts().subject);
  EXPECT_EQ(made->facts().subject_key_id, issuing.certificate().facts().subject_key_id) << "the key stays";
  ASSERT_TRUE(root.renew_crl(days{396}, later));
  const auto taken = issuing.import_answer(bundle(*made, root), later);
  ASSERT_TRUE(taken) << taken.error().text();
  EXPECT_EQ(issuing.certificate().facts().fingerprint_sha256, made->facts().fingerprint_sha256);
  EXPECT_EQ((*issuing.root_crl())->facts().number, "2");
  const auto leaf = issuing.issue(TestRequest().request, later);
  ASSERT_TRUE(leaf) << leaf.error().text();
  EXPECT_TRUE(openssl_verifies(*leaf, later));
  EXPECT_TRUE(issuing_of(ca).matches_disk());
  EXPECT_EQ(store::Registry::open(ca.root + "/registry.db")->counts()->issued, 3U) << "root, the first issuing CA, this one";
}

TEST(RootCa, RefusesWhatItWasNotAskedFor) {
  TestCa ca;
  RootCa root = root_of(ca);
  IssuingCa issuing = issuing_of(ca);
  const std::string ca_request = issuing.own_request().value(), server = TestRequest().request.request_pem;
  const auto error = [&](const std::string& request, const SigningWish& wish) {
    const auto made = root.sign(request, wish, start);
    return made ? std::string("signed") : made.error().text();
  };
  const SigningWish as_server{.profile = SigningProfile::server, .common_name = {}, .names = {{"db1"}, {}}, .lifetime = days{90}};
  EXPECT_EQ(error(server, as_server), "signed");
  EXPECT_THAT(error(ca_request, as_server), HasSubstr("asks for a CA"));
  SigningWish as_client = as_server;
  as_client.profile = SigningProfile::client;
  EXPECT_THAT(error(server, as_client), HasSubstr("needs a role"));
  as_client.common_name = "alice";
  EXPECT_THAT(error(ca_request, as_client), HasSubstr("asks for a CA"));
  SigningWish nameless = as_server;
  nameless.names = {};
  EXPECT_THAT(error(server, nameless), HasSubstr("needs a name"));
  SigningWish lifeless = as_server;
  lifeless.lifetime = Duration{0};
  EXPECT_THAT(error(server, lifeless), HasSubstr("impossible"));
  const auto ed25519 = x509::PrivateKey::generate(KeyType::ed25519).value();
  EXPECT_THAT(error(x509::make_ca_request_pem(ed25519, "ca").value(), issuing_wish(issuing)), HasSubstr("ed25519"));
  EXPECT_NE(error("garbage", as_server), "signed");
  SigningWish endless = as_server;
  endless.lifetime = days{36500};
  EXPECT_EQ(root.sign(server, endless, start)->facts().not_after, root.certificate().facts().not_after) << "nothing outlives the root";
  EXPECT_EQ(root.log().entries().size(), 4U) << "two of the ceremony, two signed, nothing of what was refused";
}

// What cannot be recorded has never been signed: no certificate leaves, and the log says nothing of it.
TEST(RootCa, WhatIsNotRecordedDoesNotLeave) {
  TestCa ca;
  RootCa root = root_of(ca);
  const auto request = issuing_of(ca).own_request().value();
  ASSERT_TRUE(RootCa::open(ca.root, nullptr, start));
  std::filesystem::create_directory(ca.root + "/registry.db-journal");   // where SQLite would write what undoes a transaction
  EXPECT_FALSE(root.sign(request, issuing_wish(issuing_of(ca)), start));
  std::filesystem::remove(ca.root + "/registry.db-journal");
  EXPECT_EQ(root.log().entries().size(), 2U) << "those of the ceremony";
  EXPECT_EQ(store::Registry::open(ca.root + "/registry.db")->counts()->issued, 2U);
  EXPECT_TRUE(root.sign(request, issuing_wish(issuing_of(ca)), start));
}

TEST(RootCa, KnowsAClockThatStandsBehind) {
  TestCa ca;
  {
    RootCa root = root_of(ca, start + days{10});
    ASSERT_TRUE(root.renew_crl(days{396}, start + days{10}));
  }
  const auto back = RootCa::open(ca.root, nullptr, start + days{9});
  ASSERT_FALSE(back);
  EXPECT_THAT(back.error().text(), HasSubstr("clock"));
  EXPECT_TRUE(RootCa::open(ca.root, nullptr, start + days{10}));
}

TEST(RootCa, ACrlAlwaysFollows) {
  TestCa ca;
  RootCa root = root_of(ca);
  std::vector<CrlFacts> before{(*root.crl())->facts()};
  for (int i = 0; i < 5; ++i) {   // within one second
    const auto crl = root.renew_crl(days{396}, start);
    ASSERT_TRUE(crl);
    EXPECT_EQ(crls_follow(before, {crl->facts()}), "");
    before = {crl->facts()};
  }
  std::filesystem::remove(ca.root + "/root.crl");
  EXPECT_EQ(root.renew_crl(days{396}, start)->facts().number, "7") << "the registry remembers";
}

TEST(RootCa, NeedsItsKey) {
  TestCa ca;
  EXPECT_THAT(RootCa::open(ca.issuing, nullptr, start).error().text(), HasSubstr("not a root's"));
  std::filesystem::rename(ca.root + "/root.key", ca.root + "/away");
  EXPECT_THAT(RootCa::open(ca.root, nullptr, start).error().text(), HasSubstr("taken away"));
  std::filesystem::copy_file(ca.in_issuing("issuing.key"), ca.root + "/root.key");
  EXPECT_THAT(RootCa::open(ca.root, nullptr, start).error().text(), HasSubstr("do not belong together"));
}

TEST(RootCa, ItsPassphraseCanBeChanged) {
  TestCa ca;
  const Secret one(std::string_view("one")), two(std::string_view("two"));
  ASSERT_TRUE(change_passphrase(ca.root, nullptr, &one, start));
  EXPECT_FALSE(RootCa::open(ca.root, nullptr, start));
  EXPECT_FALSE(RootCa::open(ca.root, &two, start));
  EXPECT_FALSE(change_passphrase(ca.root, &two, nullptr, start));
  EXPECT_TRUE(RootCa::open(ca.root, &one, start));
  ASSERT_TRUE(change_passphrase(ca.root, &one, nullptr, start));
  EXPECT_TRUE(RootCa::open(ca.root, nullptr, start));
  EXPECT_EQ(open_log(ca.root)->entries().back().text, "took the passphrase of the root's key away");
}

TEST(IssuingCaAnswer, OnlyWhatBelongsHereIsTaken) {
  TestCa ca, other;
  IssuingCa issuing = issuing_of(ca);
  RootCa root = root_of(ca), stranger = root_of(other);
  const std::string request = issuing.own_request().value();
  const auto error = [&](const std::string& bytes, TimePoint now = start) {
    const auto taken = issuing.import_answer(bytes, now);
    return taken ? std::string("taken") : taken.error().text();
  };
  const std::string before = slurp(ca.in_issuing("issuing.crt"));
  const auto good = root.sign(request, issuing_wish(issuing, days{800}), start).value();
  SigningWish renamed = issuing_wish(issuing, days{900});
  renamed.common_name = "somebody else";
  EXPECT_THAT(error(root.sign(request, renamed, start)->pem()), HasSubstr("is for \"CN=somebody else\""));
  EXPECT_THAT(error(root.sign(request, issuing_wish(issuing, days{700}), start)->pem()), HasSubstr("old one"));
  EXPECT_THAT(error(stranger.sign(request, issuing_wish(issuing, days{900}), start)->pem()), HasSubstr("does not lead to"));
  EXPECT_THAT(error(root.sign(issuing_of(other).own_request().value(), issuing_wish(issuing, days{900}), start)->pem()), HasSubstr("for this CA's key"));
  EXPECT_THAT(error(good.pem() + (*stranger.crl())->pem()), HasSubstr("neither")) << "all of it, or nothing";
  EXPECT_THAT(error(good.pem().substr(0, 300)), ::testing::Not(HasSubstr("taken")));
  EXPECT_THAT(error(good.pem(), start + days{900}), HasSubstr("does not lead to")) << "over";
  EXPECT_EQ(slurp(ca.in_issuing("issuing.crt")), before);
  EXPECT_EQ(error(good.pem()), "taken");
  EXPECT_EQ(error(good.pem()), "taken") << "again";
  EXPECT_THAT(error(before), HasSubstr("old one")) << "no way back";
}

// Three years: the root is brought when the issuing CA is half through its life; nothing that is served or installed ever ends.
TEST(IssuingCaAnswer, ThreeYearsOfVisits) {
  TestCa ca(days{365});
  IssuingCa issuing = issuing_of(ca);
  std::optional<Issued> leaf;
  TimePoint renew_leaf = start;
  int visits = 0;
  for (TimePoint now = start; now < start + days{3 * 365}; now += days{3}) {
    const CertFacts mine = issuing.certificate().facts();
    if (now >= mine.not_before + (mine.not_after - mine.not_before) / 2) {
      RootCa root = root_of(ca, now);   // the medium is brought, and taken away again
      const auto made = root.sign(issuing.own_request().value(), issuing_wish(issuing, days{365}), now);
      ASSERT_TRUE(made && root.renew_crl(days{396}, now));
      ASSERT_TRUE(issuing.import_answer(bundle(*made, root), now));
      ++visits;
    }
    if (now >= renew_leaf) {
      leaf = issuing.issue(TestRequest().request, now).value();
      renew_leaf = now + days{60};
    }
    const auto chain = x509::parse_certificates(leaf->chain_pem, "chain").value();
    const auto crls = issuing.crl_set(now);
    ASSERT_TRUE(crls) << crls.error().text();
    const auto verdict = x509::verify_chain(chain, {issuing.root()}, x509::Purpose::server, now, *crls);
    ASSERT_TRUE(verdict.ok) << to_rfc3339(now) << verdict.error;
  }
  EXPECT_GE(visits, 5);
  EXPECT_EQ(root_of(ca, start + days{3 * 365}).log().entries().size(), 2U + 2U * static_cast<std::size_t>(visits));
}

struct LogTest : ::testing::Test {
  ScratchDir dir;
  std::string path = dir / "log";
  LogTest() {
    auto log = ChainedLog::open(path).value();
    for (const char* text : {"one", "two", "three"}) EXPECT_TRUE(log.append(start, text));
  }
  std::string error() {
    const auto log = ChainedLog::open(path);
    return log ? "fits" : log.error().text();
  }
};

TEST_F(LogTest, EachChangeShows) {
  const std::string whole = slurp(path);
  EXPECT_EQ(error(), "fits");
  EXPECT_EQ(mode_of(path), 0600);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    text.replace(text.find(from), from.size(), to);
    spit(path, text);
    return error();
  };
  EXPECT_THAT(with("two", "tvo"), HasSubstr("line 2"));
  EXPECT_THAT(with("2 2026", "9 2026"), HasSubstr("its number is 9"));
  EXPECT_THAT(with("2026-01-01", "2026-01-02"), HasSubstr("line 1"));
  EXPECT_THAT(with(whole.substr(0, whole.find('\n') + 1), ""), HasSubstr("line 1"));
  EXPECT_THAT(with(whole, whole.substr(0, whole.size() - 1)), HasSubstr("cut off"));
  EXPECT_THAT(with(whole, "garbage\n"), HasSubstr("line 1"));
  EXPECT_EQ(with(whole, ""), "fits") << "nothing was written yet";
  EXPECT_EQ(with(whole, whole.substr(0, whole.rfind("\n3 ") + 1)), "fits") << "a cut end is what the record on paper is for";
}

TEST_F(LogTest, ALineIsOneLine) {
  auto log = ChainedLog::open(path).value();
  ASSERT_TRUE(log.append(start, "CN=evil\n4 2026-01-01T00:00:00Z aa forged"));
  EXPECT_EQ(error(), "fits");
  EXPECT_EQ(ChainedLog::open(path)->entries().size(), 4U);
  EXPECT_EQ(ChainedLog::open(path)->head(), log.head());
}

}  // namespace
}  // namespace pgcertd::ca::root_ca_tests
