// Covers client certificates in lib/core/judge.cpp.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::judge_clients_tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

ClientCertSeen client(const std::string& role, TimePoint end, bool revoked = false) { return {role, "40", end - days{90}, end, revoked}; }

std::vector<std::string> told(std::vector<ClientCertSeen> clients) {
  Case c;
  c.seen.issuer.clients = std::move(clients);
  IssuerConfig config;
  config.name = "local";
  std::vector<std::string> out;
  for (const Finding& f : judge_issuer(config, c.seen.issuer, days{90}, t0)) {
    if (f.code != ProblemCode::client_cert_expiring) continue;
    EXPECT_EQ(f.severity, Severity::warning);
    EXPECT_THAT(f.remedy, HasSubstr("client issue"));
    out.push_back(f.object);
  }
  return out;
}

TEST(ClientCertificates, TheLastTenthOfTheNewestOfARole) {
  EXPECT_THAT(told({}), IsEmpty());
  EXPECT_THAT(told({client("alice", t0 + days{9})}), IsEmpty()) << "a tenth is left";
  EXPECT_THAT(told({client("alice", t0 + days{9} - 1s)}), ElementsAre("alice"));
  EXPECT_THAT(told({client("alice", t0 + days{5}, true)}), IsEmpty()) << "revoked";
  EXPECT_THAT(told({client("alice", t0 + days{80}), client("alice", t0 + days{5})}), IsEmpty()) << "it has a newer one";
  EXPECT_THAT(told({client("alice", t0 + days{80}, true), client("alice", t0 + days{5})}), ElementsAre("alice")) << "that is revoked";
  EXPECT_THAT(told({client("bob", t0 + days{5}), client("alice", t0 + days{5})}), ElementsAre("bob", "alice"));
}

}  // namespace
}  // namespace pgcertd::testing::judge_clients_tests
