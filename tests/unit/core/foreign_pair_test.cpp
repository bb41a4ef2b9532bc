// Covers lib/core/foreign_pair.cpp.
#include "core/foreign_pair.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::foreign_pair_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Somebody else's working pair: the leaf and its intermediate, right in each way.
Case theirs() {
  Case c;
  c.foreign();
  c.seen.live.chain.push_back(leaf("intermediate"));
  c.seen.live.key_path = "/etc/pki/db.key", c.seen.live.chain.front().server_auth = true;
  return c;
}

// "code" for a critical finding, "code?" for a warning.
std::vector<std::string> told(const Case& c) {
  std::vector<std::string> out;
  for (const Finding& f : judge_foreign_pair(c.desired, c.seen, c.now)) out.push_back(std::string{to_string(f.code)} + (f.severity == Severity::critical ? "" : "?"));
  return out;
}

std::vector<std::string> told(const Bend& bend) { return told(with(theirs(), bend)); }

TEST(ForeignPair, NothingIsToldOfAGoodOne) {
  EXPECT_THAT(told(theirs()), IsEmpty());
  EXPECT_TRUE(theirs().has(ProblemCode::takeover_needed));
}

TEST(ForeignPair, OneOfAnotherClusterIsCalledThat) {
  const auto message = [](const std::string& path) {
    const Case c = with(theirs(), [&](Case& bent) { bent.seen.live.cert_path = path, bent.seen.live.chain.clear(), bent.seen.probes = {served(leaf("ff"))}; });
    for (const Finding& f : c.plan().findings)
      if (f.code == ProblemCode::takeover_needed) return f.message;
    return std::string{};
  };
  EXPECT_THAT(message("/s/clusters/other/current/server.crt"), HasSubstr("belongs to another cluster"));
  EXPECT_THAT(message("/etc/pki/db.crt"), HasSubstr("a certificate that cannot be read is served from /etc/pki/db.crt"));
}

TEST(ForeignPair, OnlyWhatIsInUseAndStaysIsJudged) {
  const auto spoil = [](Case& c) { c.seen.live.judgement.missing_names = {"x"}; };
  EXPECT_THAT(told(spoil), ElementsAre("cert-name-mismatch?"));
  EXPECT_THAT(told([&](Case& c) { spoil(c), c.seen.live.ours = true; }), IsEmpty());
  EXPECT_THAT(told([&](Case& c) { spoil(c), c.seen.live.snakeoil = true; }), IsEmpty());
  EXPECT_THAT(told([&](Case& c) { spoil(c), c.desired.cluster.takeover = TakeoverPolicy::always; }), IsEmpty());
  EXPECT_THAT(told([&](Case& c) { spoil(c), c.seen.live.chain.clear(); }), ElementsAre("cert-unreadable"));
  EXPECT_THAT(told([&](Case& c) { spoil(c), c.seen.live.chain.clear(), c.seen.live.cert_path.clear(); }), IsEmpty());
}

TEST(ForeignPair, Dates) {
  const TimePoint end = theirs().seen.live.chain.front().not_after, begin = theirs().seen.live.chain.front().not_before;
  const Duration tenth = (end - begin) / 10;
  const auto at = [](TimePoint now) {
    Case c = theirs();
    c.now = now, c.seen.live.judgement.chain_not_after = no_expiry;
    return told(c);
  };
  EXPECT_THAT(at(end - tenth), IsEmpty());
  EXPECT_THAT(at(end - tenth + 1ms), ElementsAre("cert-expiring"));
  EXPECT_THAT(at(end - 1ms), ElementsAre("cert-expiring"));
  EXPECT_THAT(at(end), ElementsAre("cert-expired"));
  EXPECT_THAT(at(begin), IsEmpty());
  EXPECT_THAT(at(begin - 1ms), ElementsAre("cert-not-yet-valid"));
  EXPECT_THAT(told([&](Case& c) { c.seen.live.judgement.chain_not_after = c.now; }), ElementsAre("cert-expired")) << "an intermediate that ends first";
  EXPECT_THAT(told([&](Case& c) { c.seen.live.chain.front().not_after = c.now + days{3650}, c.seen.live.judgement.chain_not_after = no_expiry; }), IsEmpty());
  EXPECT_FALSE(expires_soon(days{14}, days{3650})) << "a tenth of a long life is no news";
  EXPECT_TRUE(expires_soon(days{14} - 1ms, days{3650}));
}

TEST(ForeignPair, KeyOfAnotherCertificate) {
  EXPECT_THAT(told([](Case& c) { c.seen.live.judgement.loads = c.seen.live.judgement.key_matches = false; }), ElementsAre("cert-key-mismatch"));
  EXPECT_THAT(told([](Case& c) { c.seen.live.judgement.loads = c.seen.live.judgement.key_matches = c.seen.live.judgement.key_read = false; }), IsEmpty()) << "it is not known";
}

TEST(ForeignPair, AChainThatIsNotWhole) {
  EXPECT_THAT(told([](Case& c) { c.seen.live.judgement.chain_incomplete = true; }), ElementsAre("cert-chain-incomplete"));
  const auto alone = [](Case& c) { c.seen.live.chain.pop_back(); };
  EXPECT_THAT(told(alone), ElementsAre("cert-chain-incomplete?"));
  EXPECT_THAT(told([&](Case& c) { alone(c), c.seen.live.chain.front().self_signed = true; }), IsEmpty());
  EXPECT_THAT(told([&](Case& c) { alone(c), c.seen.live.judgement.chain_ok = true; }), IsEmpty());
  EXPECT_THAT(told([&](Case& c) { alone(c), c.seen.issuer.root->subject_key_id = "bb"; }), IsEmpty()) << "the root itself signed it";
  EXPECT_THAT(told([&](Case& c) { alone(c), c.seen.issuer.root.reset(); }), ElementsAre("cert-chain-incomplete?"));
  EXPECT_THAT(told([&](Case& c) { alone(c), c.seen.tls_files.completed_by_ca_file = true; }), IsEmpty()) << "the audit tells of it";
}

TEST(ForeignPair, PurposeAndStrength) {
  EXPECT_THAT(told([](Case& c) { c.seen.live.chain.front().server_auth = false; }), ElementsAre("cert-untrusted"));
  EXPECT_THAT(told([](Case& c) { c.seen.live.judgement.revoked = true; }), ElementsAre("cert-revoked"));
  const auto weak = [](Case& c) { c.seen.live.judgement.weak = true, c.seen.live.judgement.weak_why = "rsa-1024", c.seen.live.chain.front().signature_digest = "sha256"; };
  EXPECT_THAT(told(weak), ElementsAre("cert-weak?"));
  EXPECT_THAT(told([&](Case& c) { weak(c), c.seen.live.chain.front().signature_digest.clear(); }), ElementsAre("cert-weak")) << "no SCRAM login over TLS works";
}

TEST(ForeignPair, AFindingNamesTheFileAndTheWayOut) {
  const auto findings = judge_foreign_pair(theirs().desired, with(theirs(), [](Case& c) { c.seen.live.judgement.missing_names = {"a.example.org", "b.example.org"}; }).seen, theirs().now);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().object, "/etc/pki/db.crt");
  EXPECT_THAT(findings.front().message, HasSubstr("a.example.org, b.example.org"));
  EXPECT_THAT(findings.front().remedy, HasSubstr("pgcertctl takeover main"));
}

}  // namespace
}  // namespace pgcertd::testing::foreign_pair_tests
