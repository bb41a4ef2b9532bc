// Covers lib/core/need.cpp: renewal times to the millisecond, so that they stay the same over versions and machines.
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

Duration renewal_after_issue(const std::string& cluster, const CertFacts& facts, double renew_at = 0.667, TimePoint chain_end = no_expiry) {
  Case c;
  c.desired.cluster.name = cluster, c.desired.cluster.renew_at = renew_at;
  return renewal_time(facts, c.desired, chain_end) - t0;
}

// A life of 60 s is backdated by a tenth of it, 6 s.
CertFacts brief() {
  CertFacts facts = leaf("f1");
  facts.not_before = t0 - 6s, facts.not_after = t0 + 60s;
  return facts;
}

TEST(RenewalTime, IsTheFractionLessAJitterByClusterAndFingerprint) {
  EXPECT_EQ(renewal_after_issue("main", leaf("f1")), 4'889'937'600ms);
  EXPECT_EQ(renewal_after_issue("replica", leaf("f1")), 5'022'518'400ms);
  EXPECT_EQ(renewal_after_issue("db7", leaf("f1")), 5'062'564'800ms);
  EXPECT_EQ(renewal_after_issue("main", brief()), 37'731ms);
}

TEST(RenewalTime, AnEarlyFractionIsNotEatenByItsJitter) { EXPECT_EQ(renewal_after_issue("main", leaf("f1"), 0.1), 629'272'800ms); }

TEST(RenewalTime, OfAChainThatEndedBeforeTheIssueIsTheIssue) { EXPECT_EQ(renewal_after_issue("main", leaf("f1"), 0.667, t0 - 1h), 0ms); }

TEST(Need, AnAdoptedGenerationHasNoRenewal) {
  Case c;
  EXPECT_TRUE(c.plan().renew_at);
  c.current().origin = Origin::adopted;
  EXPECT_FALSE(c.plan().renew_at);
  c.current().origin = Origin::issued, c.current().chain.clear();
  EXPECT_FALSE(c.plan().renew_at);
}

TEST(Need, WithoutAJudgementOnlyTheLeafItselfSpeaks) {
  Case c;
  c.seen.current.reset();
  EXPECT_EQ(c.plan().need, Need::none);
  c.now = c.current().chain.front().not_after - 1ms;
  EXPECT_EQ(c.plan().need, Need::due);
  c.now = c.current().chain.front().not_after;
  EXPECT_EQ(c.plan().need, Need::expired);
}

TEST(Need, WithoutAnIssuingCaTheSignerHasNotChanged) {
  Case c;
  c.seen.issuer.issuing.reset();
  EXPECT_EQ(c.plan().need, Need::none);
}

}  // namespace
}  // namespace pgcertd::testing
