// Covers lib/core/client_auth.cpp; the words of alerts as OpenSSL 3.0 prints them.
#include "core/client_auth.hpp"

#include <gmock/gmock.h>

namespace pgcertd {
namespace client_auth_case {

using ::testing::HasSubstr;
using Kind = LoginEnd::Kind;

const TimePoint now = *parse_rfc3339("2026-06-01T00:00:00Z");

CertFacts certificate(std::string name, std::string issuer) {
  CertFacts facts;
  facts.subject = "CN=" + name;
  facts.common_name = std::move(name);
  facts.issuer = std::move(issuer);
  facts.not_before = now - std::chrono::hours{24};
  facts.not_after = now + std::chrono::hours{24};
  return facts;
}

ClientAuthSeen seen(Kind kind, std::string text = {}) {
  return {.end = {kind, std::move(text)}, .role = "alice", .trusted = {"CN=root"}, .sent = {certificate("alice", "CN=root")}};
}

std::string cause(const ClientAuthSeen& state) {
  const auto verdict = explain_client_auth(state, now);
  if (!verdict) return "nothing";
  EXPECT_EQ(verdict->why.empty(), verdict->cause == "admitted");
  EXPECT_EQ(verdict->remedy.empty(), verdict->cause == "admitted");
  return verdict->cause;
}

TEST(ClientAuth, WithoutAnAlert) {
  EXPECT_EQ(cause(seen(Kind::unknown)), "nothing");
  EXPECT_EQ(cause(seen(Kind::admitted)), "admitted");
  EXPECT_EQ(cause(seen(Kind::refused_by_hba)), "pg-hba");
  EXPECT_EQ(cause(seen(Kind::own_side, "private key file \"k\" has group or world access")), "own-files");
}

TEST(ClientAuth, ACertificateThatIsWanted) {
  auto state = seen(Kind::certificate_wanted);
  EXPECT_EQ(cause(state), "not-asked") << "it was there to be sent";
  state.sent.clear();
  EXPECT_EQ(cause(state), "no-certificate");
}

TEST(ClientAuth, ARoleThatIsNotTheCommonName) {
  auto state = seen(Kind::authentication_failed, "FATAL");
  EXPECT_EQ(cause(state), "authentication-failed");
  state.role = "bob";
  EXPECT_EQ(cause(state), "name-mismatch");
  state.sent.front().common_name = "x\033[31m";
  EXPECT_THAT(explain_client_auth(state, now)->why, ::testing::Not(HasSubstr("\033")));
  state.sent.clear();
  EXPECT_EQ(cause(state), "authentication-failed");
}

TEST(ClientAuth, Alerts) {
  const auto alert = [](const char* text) { return seen(Kind::alert, std::string("SSL error: ") + text); };
  EXPECT_EQ(cause(alert("sslv3 alert certificate revoked")), "certificate-revoked");
  EXPECT_EQ(cause(alert("sslv3 alert unsupported certificate")), "wrong-purpose");
  EXPECT_EQ(cause(alert("sslv3 alert handshake failure")), "handshake-refused");
  auto unknown = alert("tlsv1 alert unknown ca");
  EXPECT_EQ(cause(unknown), "chain-or-crl");
  unknown.sent.front().issuer = "CN=else";
  EXPECT_EQ(cause(unknown), "ca-not-trusted");
  EXPECT_THAT(explain_client_auth(unknown, now)->why, HasSubstr("CN=root"));
  unknown.sent.push_back(certificate("issuing", "CN=root"));
  EXPECT_EQ(cause(unknown), "chain-or-crl") << "by its intermediate";
  unknown.trusted.clear();
  EXPECT_EQ(cause(unknown), "ca-not-trusted");
  auto expired = alert("sslv3 alert certificate expired");
  EXPECT_EQ(cause(expired), "crl-expired");
  expired.sent.front().not_after = now;
  EXPECT_EQ(cause(expired), "certificate-expired");
  auto bad = alert("sslv3 alert bad certificate");
  EXPECT_EQ(cause(bad), "certificate-refused");
  bad.sent.front().not_before = now;
  EXPECT_EQ(cause(bad), "certificate-refused");
  bad.sent.front().not_before = now + std::chrono::seconds{1};
  EXPECT_EQ(cause(bad), "certificate-not-yet-valid");
  for (auto* state : {&unknown, &expired, &bad}) {
    state->sent.clear();
    EXPECT_EQ(cause(*state), "handshake-refused") << "nothing was sent that could be refused";
  }
}

}  // namespace client_auth_case
}  // namespace pgcertd
