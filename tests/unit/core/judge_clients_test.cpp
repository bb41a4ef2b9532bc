// Covers lib/core/client_certificates.cpp.
#include "core/client_certificates.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/core/case.hpp"

namespace pgcertd::testing::judge_clients_tests {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using enum ClientState;

ClientCertSeen client(const std::string& role, TimePoint end, bool revoked = false) { return {role, "40", end - days{90}, end, revoked}; }

std::vector<Finding> findings(std::vector<ClientCertSeen> clients, TimePoint now = t0) {
  Case c;
  c.seen.issuer.clients = std::move(clients);
  IssuerConfig config;
  config.name = "local";
  auto all = judge_issuer(config, c.seen.issuer, days{90}, now);
  std::erase_if(all, [](const Finding& f) { return f.code != ProblemCode::client_cert_expiring; });
  return all;
}

std::vector<std::string> told(std::vector<ClientCertSeen> clients, TimePoint now = t0) {
  std::vector<std::string> out;
  for (const Finding& f : findings(std::move(clients), now)) out.push_back(f.object);
  return out;
}

constexpr Duration quarter = 90 * 24h / 4;

TEST(ClientCertificates, TheLastQuarterOfTheNewestOfARole) {
  EXPECT_THAT(told({}), IsEmpty());
  EXPECT_THAT(told({client("alice", t0 + quarter)}), IsEmpty()) << "a quarter is left";
  EXPECT_THAT(told({client("alice", t0 + quarter - 1ms)}), ElementsAre("alice"));
  EXPECT_THAT(told({client("alice", t0 + days{30})}), IsEmpty()) << "who renews at two thirds hears nothing";
  EXPECT_THAT(told({client("alice", t0 + days{5}, true)}), IsEmpty()) << "revoked";
  EXPECT_THAT(told({client("alice", t0 + days{80}), client("alice", t0 + days{5})}), IsEmpty()) << "it has a newer one";
  EXPECT_THAT(told({client("alice", t0 + days{80}, true), client("alice", t0 + days{5})}), ElementsAre("alice")) << "that is revoked";
  EXPECT_THAT(told({client("bob", t0 + days{5}), client("alice", t0 + days{5})}), ElementsAre("bob", "alice"));
}

TEST(ClientCertificates, ALongLifeIsToldOfInItsLastMonth) {
  const ClientCertSeen years{"alice", "40", t0, t0 + days{3650}, false};
  EXPECT_THAT(told({years}, years.not_after - days{30}), IsEmpty());
  EXPECT_THAT(told({years}, years.not_after - days{30} + 1ms), ElementsAre("alice"));
}

TEST(ClientCertificates, AWeekAfterItsEndNobodyHearsOfItAnyMore) {
  const ClientCertSeen one = client("alice", t0);
  EXPECT_THAT(findings({one}, t0 - 1ms).front().message, HasSubstr("ends"));
  EXPECT_THAT(findings({one}, t0).front().message, HasSubstr("ended"));
  EXPECT_THAT(told({one}, t0 + days{7} - 1ms), ElementsAre("alice"));
  EXPECT_THAT(told({one}, t0 + days{7}), IsEmpty());
  EXPECT_THAT(told({client("alice", t0, true)}, t0 + days{1}), IsEmpty()) << "revoking it ends the problem at once";
}

TEST(ClientCertificates, TheFindingHasAllThatIsNeededToActOnIt) {
  const Finding f = findings({client("alice", t0 + days{5})}).front();
  EXPECT_EQ(f.severity, Severity::warning);
  EXPECT_EQ(f.message, "the client certificate 40 of the role alice ends in 5 days (2026-01-06T00:00:00Z), and there is no newer one");
  EXPECT_THAT(f.remedy, HasSubstr("pgcertctl client issue alice -o DIR --renew"));
  EXPECT_THAT(f.remedy, HasSubstr("pgcertctl revoke --role alice"));
  EXPECT_EQ(findings({client("alice", t0 - days{1})}).front().severity, Severity::warning) << "one application is cut off, not the server";
}

TEST(ClientCertificates, EachHasOneState) {
  const std::vector clients{client("eve", t0 + days{80}), client("eve", t0 + days{5}), client("alice", t0 + days{9}), client("bob", t0), client("bob", t0 + days{9}), client("dora", t0 + days{90}, true)};
  EXPECT_THAT(states_of(clients, t0), ElementsAre(good, older, expiring, expired, older, revoked));
  EXPECT_EQ(earliest_end(clients, t0), t0);
  EXPECT_EQ(earliest_end({clients.back()}, t0), std::nullopt);
  EXPECT_EQ(earliest_end({}, t0), std::nullopt);
}

}  // namespace
}  // namespace pgcertd::testing::judge_clients_tests
