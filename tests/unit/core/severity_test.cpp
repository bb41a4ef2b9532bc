// Covers lib/core/finding.cpp: the table tells the worst that a code can be, as its page in the documentation repeats.
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

void expect_within_table(const std::vector<Finding>& findings) {
  for (const Finding& f : findings)
    EXPECT_EQ(worse(row(f.code).severity, f.severity), row(f.code).severity) << to_string(f.code) << " is " << to_string(f.severity);
}

bool has(const std::vector<Finding>& findings, ProblemCode code, Severity severity) {
  for (const Finding& f : findings)
    if (f.code == code && f.severity == severity) return true;
  return false;
}

TEST(Severity, OfAnIssuerThatEndsInDaysIsWithinTheTable) {
  Case c;
  IssuerSeen issuer = c.seen.issuer;
  issuer.issuing->not_after = issuer.root->not_after = c.now + days{5};
  issuer.root_crl = CrlFacts{};
  issuer.root_crl->this_update = c.now - days{390}, issuer.root_crl->next_update = c.now + days{6};
  const auto findings = judge_issuer({}, issuer, days{90}, c.now);
  for (const ProblemCode code : {ProblemCode::issuing_ca_expiring, ProblemCode::root_ca_expiring, ProblemCode::root_crl_expiring})
    EXPECT_TRUE(has(findings, code, Severity::critical)) << to_string(code);
  expect_within_table(findings);
}

TEST(Severity, OfRotationsThatFailNearTheEndIsWithinTheTable) {
  Case c;
  c.now = t0 + days{88};
  c.seen.issuer.issuing->not_after = c.now + days{7};
  c.seen.memory.consecutive_failures = 3;
  c.seen.memory.last_failure = Failure{"sign", "it cannot", {}, false, c.now};
  const auto findings = plan(c.desired, c.seen, c.now).findings;
  EXPECT_TRUE(has(findings, ProblemCode::rotation_failing, Severity::critical));
  EXPECT_TRUE(has(findings, ProblemCode::runway_short, Severity::critical));
  expect_within_table(findings);
}

}  // namespace
}  // namespace pgcertd::testing
