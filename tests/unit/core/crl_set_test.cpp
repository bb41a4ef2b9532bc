// Covers lib/core/crl_set.cpp.
#include "core/crl_set.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::crl_set_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const TimePoint now = t0;

CertFacts authority(const std::string& name) {
  CertFacts ca;
  ca.subject = "CN=" + name, ca.subject_key_id = "key of " + name, ca.is_ca = ca.crl_sign = true;
  return ca;
}

InstalledCrl crl(const std::string& name, Duration age = days{10}, Duration life = days{100}) {
  InstalledCrl out;
  out.facts.issuer = "CN=" + name, out.facts.this_update = now - age, out.facts.next_update = now - age + life;
  out.signers = {"key of " + name};
  return out;
}

CrlSet good() {
  CrlSet set;
  set.path = "/data/root.crl", set.modified = now - days{1};
  set.authorities = {authority("root"), authority("issuing")};
  set.crls = {crl("root"), crl("issuing")};
  return set;
}

// "code" for a critical finding, "code?" for a warning.
std::vector<std::string> told(const CrlSet& set, TimePoint loaded = now - days{1}) {
  std::vector<std::string> out;
  for (const Finding& f : judge_crls(set, loaded, now)) {
    EXPECT_EQ(f.object, "/data/root.crl");
    out.push_back(std::string{to_string(f.code)} + (f.severity == Severity::critical ? "" : "?"));
  }
  return out;
}

std::vector<std::string> bent(const std::function<void(CrlSet&)>& bend) {
  CrlSet set = good();
  bend(set);
  return told(set);
}

TEST(CrlSet, AWholeOneIsGood) { EXPECT_THAT(told(good()), IsEmpty()); }

TEST(CrlSet, EachCaNeedsOne) {
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.pop_back(); }), ElementsAre("crl-missing"));
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.clear(); }), ElementsAre("crl-missing", "crl-missing"));
  EXPECT_THAT(bent([](CrlSet& s) { s.authorities.push_back(authority("partner")); }), ElementsAre("crl-missing"));
  EXPECT_THAT(bent([](CrlSet& s) { s.authorities.clear(), s.crls.clear(); }), IsEmpty()) << "no client certificate is taken anyway";
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().facts.indirect = true; }), ElementsAre("crl-missing"));
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().facts.delta = true; }), ElementsAre("crl-untrusted?")) << "OpenSSL takes it for a whole one";
}

TEST(CrlSet, Dates) {
  const auto at = [](Duration age, Duration life) { return bent([&](CrlSet& s) { s.crls.back() = crl("issuing", age, life); }); };
  EXPECT_THAT(at(days{75}, days{100}), IsEmpty());
  EXPECT_THAT(at(days{75} + 1ms, days{100}), ElementsAre("crl-expiring?"));
  EXPECT_THAT(at(days{90}, days{100}), ElementsAre("crl-expiring?"));
  EXPECT_THAT(at(days{90} + 1ms, days{100}), ElementsAre("crl-expiring"));
  EXPECT_THAT(at(days{100} - 1ms, days{100}), ElementsAre("crl-expiring"));
  EXPECT_THAT(at(days{100}, days{100}), ElementsAre("crl-expired"));
  EXPECT_THAT(at(0ms, days{100}), IsEmpty());
  EXPECT_THAT(at(-1ms, days{100}), ElementsAre("crl-untrusted"));
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().facts.next_update.reset(); }), IsEmpty()) << "it has no end";
}

TEST(CrlSet, SignatureAndTheRightToSign) {
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().signers = {"key of root"}; }), ElementsAre("crl-untrusted"));
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().signers.clear(); }), ElementsAre("crl-untrusted"));
  EXPECT_THAT(bent([](CrlSet& s) { s.authorities.back().crl_sign = false; }), ElementsAre("crl-untrusted"));
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.back().facts.unknown_critical = true; }), ElementsAre("crl-untrusted"));
}

TEST(CrlSet, TheNewestCountsThenTheFirst) {
  CrlSet set = good();
  set.crls.push_back(crl("issuing", days{1}));
  EXPECT_EQ(crl_of(set, authority("issuing")), &set.crls[2]);
  set.crls[1] = crl("issuing", days{1});
  EXPECT_EQ(crl_of(set, authority("issuing")), &set.crls[1]) << "of two that are equally new";
  EXPECT_EQ(crl_of(set, authority("partner")), nullptr);
  EXPECT_THAT(bent([](CrlSet& s) { s.crls.insert(s.crls.begin(), crl("issuing", days{200})); }), IsEmpty()) << "an old one does no harm beside a new one";
}

TEST(CrlSet, AFileThatIsNoneIsTold) {
  CrlSet set = good();
  set.crls.clear(), set.trouble = "no CRL in it";
  EXPECT_THAT(told(set), ElementsAre("crl-untrusted"));
  EXPECT_THAT(judge_crls(set, now, now).front().message, HasSubstr("no CRL in it"));
}

TEST(CrlSet, SizeIsAWarning) {
  const auto entries = [](std::uint64_t n) { return bent([&](CrlSet& s) { s.crls.front().facts.revoked = n / 2, s.crls.back().facts.revoked = n - n / 2; }); };
  EXPECT_THAT(entries(99'999), IsEmpty());
  EXPECT_THAT(entries(100'000), ElementsAre("crl-oversize?"));
}

TEST(CrlSet, TenThousandEntriesAreToldAndNoProblem) {
  EXPECT_THAT(crl_size_notice(9'999), IsEmpty());
  EXPECT_THAT(crl_size_notice(10'000), HasSubstr("10000 entries: "));
  EXPECT_THAT(crl_size_notice(1'000'000), HasSubstr("1000000 entries: "));
}

TEST(CrlSet, OneThatTheServerHasNotReadYetIsTold) {
  CrlSet set = good();
  set.modified = now - 1h;
  EXPECT_THAT(told(set, now - 1h - 2s - 1ms), ElementsAre("crl-not-loaded"));
  EXPECT_THAT(told(set, now - 1h - 2s), IsEmpty());
  EXPECT_THAT(told(set, now), IsEmpty());
  EXPECT_THAT(told(set, TimePoint{}), IsEmpty()) << "it is not known when the server read its files";
  set.modified = now;
  EXPECT_THAT(told(set, now - 1h), ElementsAre("crl-not-loaded"));
  set.modified = now + 1ms;
  EXPECT_THAT(told(set, now - 1h), IsEmpty()) << "a time that lies ahead says nothing";
}

}  // namespace
}  // namespace pgcertd::testing::crl_set_tests
