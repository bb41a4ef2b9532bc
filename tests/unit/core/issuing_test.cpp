// Covers lib/core/issuing.cpp: what stays known of an issuer that cannot be looked at.
#include <gtest/gtest.h>

#include "core/issuing.hpp"

namespace pgcertd {
namespace {

CertFacts ca(const std::string& fingerprint) {
  CertFacts facts;
  facts.fingerprint_sha256 = fingerprint;
  return facts;
}

IssuerSeen known() {
  IssuerSeen seen;
  seen.available = seen.key_available = true;
  seen.issuing = ca("i"), seen.issuing_pem = "I", seen.root = ca("r"), seen.root_pem = "R";
  seen.crl.emplace(), seen.crl_pem = SharedText("C"), seen.root_crl.emplace(), seen.root_crl_pem = SharedText("RC");
  seen.crl_set.emplace_back();
  seen.requests.push_back({"main", "aa", {}});
  seen.clients.push_back({"alice", "01", {}, {}, false});
  seen.issued = 7, seen.revoked = 2, seen.revoked_by_reason["keyCompromise"] = 2;
  return seen;
}

TEST(KeepLastKnown, OfAnIssuerThatCannotBeReadEverythingButItsSetOfCrls) {
  IssuerSeen seen;
  seen.why = "not mounted";
  keep_last_known(seen, known());
  EXPECT_FALSE(seen.available);
  EXPECT_FALSE(seen.key_available);
  EXPECT_EQ(seen.why, "not mounted");
  EXPECT_EQ(seen.issuing->fingerprint_sha256 + seen.issuing_pem + seen.root->fingerprint_sha256 + seen.root_pem, "iIrR");
  EXPECT_EQ(seen.crl_pem.str() + seen.root_crl_pem.str(), "CRC");
  EXPECT_TRUE(seen.crl && seen.root_crl && seen.crl_set.empty());
  EXPECT_EQ(seen.requests.size(), 1U);
  EXPECT_EQ(seen.clients.size(), 1U);
  EXPECT_EQ(seen.issued, 7U);
  EXPECT_EQ(seen.revoked_by_reason.size(), 1U);
}

TEST(KeepLastKnown, WhatIsSeenNowComesFirst) {
  IssuerSeen seen;
  seen.issuing = ca("i"), seen.root = ca("r"), seen.root_pem = "R2", seen.issued = 8;
  keep_last_known(seen, known());
  EXPECT_EQ(seen.root_pem, "R2");
  EXPECT_EQ(seen.issued, 8U);
  EXPECT_TRUE(seen.crl && seen.requests.empty() && seen.clients.empty());
}

TEST(KeepLastKnown, NothingOfAnotherCaAndNothingWhereAllIsWell) {
  IssuerSeen another;
  another.issuing = ca("i2");
  keep_last_known(another, known());
  EXPECT_FALSE(another.crl || another.root);
  IssuerSeen well;
  well.available = true;
  keep_last_known(well, known());
  EXPECT_FALSE(well.issuing || well.crl);
}

}  // namespace
}  // namespace pgcertd
