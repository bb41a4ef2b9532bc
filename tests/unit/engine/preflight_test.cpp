// lib/engine/preflight.cpp, leaf_judge.cpp: each reason against a staged generation, from real certificates.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/leaf_judge.hpp"
#include "engine/preflight.hpp"
#include "fake/world.hpp"
#include "unit/core/case.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"

namespace pgcertd::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Names names{{"db1.example.org"}, {"10.0.0.5"}};
const TimePoint issue = t0;

const fake::TestCa& ca() {
  static const fake::TestCa one = fake::TestCa::make(t0 - days{1}, days{3650});
  return one;
}

struct Pair {
  std::string chain_pem, key_pem;
};

Pair pair_of(const Names& wanted = names, Duration lifetime = days{90}, const fake::TestCa& signer = ca()) {
  auto key = *x509::PrivateKey::generate(KeyType::ecdsa_p256);
  const auto leaf = signer.leaf(*x509::make_request_pem(key, wanted), wanted, issue, lifetime);
  return {leaf.pem() + signer.issuing.pem(), std::string{key.to_pem().view()}};
}

// A staged generation with all that preflight() looks at, to be bent by each test.
struct Staged {
  Case around;
  GenerationContent content;
  GenerationSeen seen;
  TimePoint now = issue + std::chrono::hours{1};

  explicit Staged(const Pair& pair = pair_of()) {
    around.desired.names = names;
    content.chain_pem = pair.chain_pem, content.key_pem = Secret{pair.key_pem}, content.root_pem = ca().root.pem();
    seen = generation("g2", 2, leaf("f2"));
    if (const auto chain = x509::parse_certificates(pair.chain_pem, "test")) seen.chain = {chain->front().facts()};
    around.seen.generations.parents = {{"/s", FileSeen::Kind::directory, 0, 0, 0755, 0, 2}};
  }
  [[nodiscard]] LeafJudgement judgement() const {
    return judge_leaf(content.chain_pem, content.key_pem, {content.root_pem, ca().issuing.pem(), content.crl_pem}, around.desired.names, now);
  }
  [[nodiscard]] std::string verdict() const { return engine::preflight({around.desired, around.seen, seen, content, judgement(), now}); }
  static LeafJudgement judge_leaf(const std::string& chain, const Secret& key, const engine::Anchors& anchors, const Names& wanted, TimePoint at) {
    return engine::judge_leaf(chain, key, anchors, wanted, at);
  }
};

TEST(Preflight, PassesWhatIsGood) { EXPECT_THAT(Staged().verdict(), IsEmpty()); }

struct Reason {
  const char* what;
  const char* says;
  std::function<Staged()> make;
};

Staged bent(void (*bend)(Staged&)) {
  Staged s;
  bend(s);
  return s;
}

class Reasons : public ::testing::TestWithParam<Reason> {};

TEST_P(Reasons, AreTold) { EXPECT_THAT(GetParam().make().verdict(), HasSubstr(GetParam().says)); }

INSTANTIATE_TEST_SUITE_P(All, Reasons, ::testing::ValuesIn(std::vector<Reason>{
    {"incomplete", "not complete: server.key is missing", [] { return bent([](Staged& s) { s.seen.complete = false, s.seen.incomplete_why = "server.key is missing"; }); }},
    {"another_key", "do not belong together", [] { return bent([](Staged& s) { s.content.key_pem = Secret{pair_of().key_pem}; }); }},
    {"garbage_key", "", [] { return bent([](Staged& s) { s.content.key_pem = Secret{"garbage"}; }); }},
    {"key_of_another_owner", "would refuse", [] { return bent([](Staged& s) { s.seen.files[1].uid = 1000; }); }},
    {"key_readable_by_others", "would refuse", [] { return bent([](Staged& s) { s.seen.files[1].mode = 0644; }); }},
    {"certificate_unreadable", "would refuse", [] { return bent([](Staged& s) { s.seen.files[0].mode = 0600; }); }},
    {"server_user_unknown", "user is not known", [] { return bent([](Staged& s) { s.around.seen.server.server_uid = static_cast<uid_t>(-1); }); }},
    {"parent_closed", "may not search /s", [] { return bent([](Staged& s) { s.around.seen.generations.parents[0].mode = 0700; }); }},
    {"another_root", "would refuse the chain", [] { return bent([](Staged& s) { s.content.root_pem = fake::TestCa::make(t0 - days{1}, days{3650}, "Other").root.pem(); }); }},
    {"leaf_alone", "would refuse the chain", [] { return bent([](Staged& s) { s.content.chain_pem = s.content.chain_pem.substr(0, s.content.chain_pem.find("-----END CERTIFICATE-----\n") + 26); }); }},
    {"name_missing", "db2.example.org", [] { return bent([](Staged& s) { s.around.desired.names.dns.emplace_back("db2.example.org"); }); }},
    {"address_missing", "10.0.0.6", [] { return bent([](Staged& s) { s.around.desired.names.ip.emplace_back("10.0.0.6"); }); }},
    {"not_yet_valid", "", [] { return bent([](Staged& s) { s.now = s.seen.chain.front().not_before - 1ms; }); }},
    {"expired", "", [] { return bent([](Staged& s) { s.now = s.seen.chain.front().not_after; }); }},
    {"crl_garbage", "", [] { return bent([](Staged& s) { s.content.crl_pem = "garbage"; }); }},
}), [](const auto& param) { return std::string{param.param.what}; });

TEST(Preflight, AnOwnCopyOfSomebodyElsesPairNeedNotBeTrusted) {
  Staged s;
  s.seen.origin = Origin::adopted;
  s.content.root_pem = fake::TestCa::make(t0 - days{1}, days{3650}, "Other").root.pem();
  s.around.desired.names.dns.emplace_back("db2.example.org");
  EXPECT_THAT(s.verdict(), IsEmpty());
}

TEST(Preflight, EveryReasonHasWords) {
  for (const auto bend : {+[](Staged& s) { s.content.key_pem = Secret{"garbage"}; }, +[](Staged& s) { s.now = s.seen.chain.front().not_after; },
                          +[](Staged& s) { s.now = s.seen.chain.front().not_before - 1ms; }, +[](Staged& s) { s.content.crl_pem = "garbage"; }})
    EXPECT_GT(bent(bend).verdict().size(), 10U);
}

// A CRL of the issuing CA alone does not cover the path: PostgreSQL checks the root's too.
TEST(Preflight, WantsACrlForEachCaOfThePath) {
  const auto crl = [](const x509::PrivateKey& key, const x509::Certificate& signer) {
    return x509::make_crl(key, signer, "1", t0 - 1h, t0 + days{30}, {})->pem();
  };
  Staged s;
  s.content.crl_pem = crl(ca().issuing_key, ca().issuing);
  EXPECT_THAT(s.verdict(), HasSubstr("do not cover the path"));
  s.content.crl_pem += crl(ca().root_key, ca().root);
  EXPECT_THAT(s.verdict(), IsEmpty());
}

}  // namespace
}  // namespace pgcertd::testing
