// Covers lib/core/sslmode.cpp.
#include "core/sslmode.hpp"

#include <gmock/gmock.h>

namespace pgcertd {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// One letter a mode, in the order disable, allow, prefer, require, verify-ca, verify-full:
// '-' no connection, 'p' plaintext, 'e' encrypted, 'S' encrypted and safe from a man in the middle.
std::string letters(const ServerSide& side, const ClientSide& client) {
  std::string out;
  for (const ModeVerdict& verdict : sslmode_matrix(side, client)) {
    EXPECT_TRUE(verdict.connects || (!verdict.encrypted && !verdict.man_in_the_middle_safe)) << "what does not connect protects nothing";
    out += !verdict.connects ? '-' : !verdict.encrypted ? 'p' : verdict.man_in_the_middle_safe ? 'S' : 'e';
  }
  return out;
}

ClientSide client(bool has_root, bool chain_ok, bool name_ok) {
  return {.has_root = has_root, .chain_ok = chain_ok, .chain_error = chain_ok ? "" : "certificate has expired", .name_ok = name_ok, .name_error = name_ok ? "" : "no such name"};
}

TEST(SslModeMatrix, AsLibpq) {
  const ServerSide down{.answers = false, .tls = false, .plaintext_allowed = true}, plain{.answers = true, .tls = false, .plaintext_allowed = true},
      both{.answers = true, .tls = true, .plaintext_allowed = true}, strict{.answers = true, .tls = true, .plaintext_allowed = false},
      closed{.answers = true, .tls = false, .plaintext_allowed = false};
  const ClientSide none = client(false, false, false), good = client(true, true, true), bad_chain = client(true, false, true), bad_name = client(true, true, false);
  struct Case { const char* what; ServerSide server; ClientSide side; const char* letters; };
  for (const Case& c : {Case{"down", down, good, "------"}, Case{"no TLS, no root", plain, none, "ppp---"}, Case{"no TLS", plain, good, "ppp---"}, Case{"closed", closed, good, "------"},
                        Case{"TLS, no root", both, none, "ppee--"}, Case{"TLS, good", both, good, "ppeeeS"}, Case{"TLS, chain wrong", both, bad_chain, "ppp---"},
                        Case{"TLS, name wrong", both, bad_name, "ppeee-"}, Case{"hostssl only, no root", strict, none, "-eee--"}, Case{"hostssl only, good", strict, good, "-eeeeS"},
                        Case{"hostssl only, chain wrong", strict, bad_chain, "------"}, Case{"hostssl only, name wrong", strict, bad_name, "-eeee-"},
                        Case{"a chain without a root file counts for nothing", both, client(false, true, true), "ppee--"}})
    EXPECT_EQ(letters(c.server, c.side), c.letters) << c.what;
}

TEST(SslModeMatrix, EachVerdictButTheSafeOneSaysWhy) {
  for (const bool answers : {false, true})
    for (const bool tls : {false, true})
      for (const bool plaintext : {false, true})
        for (int bits = 0; bits < 8; ++bits) {
          const auto matrix = sslmode_matrix({.answers = answers, .tls = tls, .plaintext_allowed = plaintext}, client((bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0));
          for (std::size_t i = 0; i < matrix.size(); ++i) {
            EXPECT_EQ(matrix[i].mode, static_cast<SslMode>(i));
            EXPECT_EQ(matrix[i].why.empty(), matrix[i].man_in_the_middle_safe);
            EXPECT_TRUE(!matrix[i].man_in_the_middle_safe || matrix[i].mode == SslMode::verify_full);
          }
        }
}

TEST(SslModeMatrix, PgHbaThatRefusesTls) {
  const ServerSide plain_only{.answers = true, .tls = true, .plaintext_allowed = true, .tls_allowed = false};
  const ServerSide nobody{.answers = true, .tls = true, .plaintext_allowed = false, .tls_allowed = false};
  EXPECT_EQ(letters(plain_only, client(true, true, true)), "ppp---");
  EXPECT_EQ(letters(plain_only, client(false, false, false)), "ppp---");
  EXPECT_EQ(letters(nobody, client(true, true, true)), "------");
  const auto matrix = sslmode_matrix(plain_only, client(true, true, true));
  EXPECT_THAT(matrix[3].why, HasSubstr("pg_hba.conf refuses this user over TLS"));
  EXPECT_THAT(matrix[3].why, Not(HasSubstr("verify as verify-ca")));
  EXPECT_THAT(sslmode_matrix(plain_only, client(true, false, true))[3].why, HasSubstr("certificate has expired")) << "the chain is looked at first";
}

TEST(SslModeMatrix, TlsThatLibpqDoesNotSpeak) {
  const ServerSide old{.answers = true, .tls = false, .tls_error = tls_version_fault("TLSv1.1")};
  EXPECT_EQ(letters(old, client(true, true, true)), "ppp---");
  EXPECT_THAT(sslmode_matrix(old, client(true, true, true))[3].why, HasSubstr("TLSv1.1 at most"));
  for (const char* version : {"TLSv1", "SSLv3"}) EXPECT_THAT(tls_version_fault(version), HasSubstr(version));
  for (const char* version : {"TLSv1.2", "TLSv1.3", ""}) EXPECT_EQ(tls_version_fault(version), "");
}

TEST(SslModeMatrix, NamesTheReason) {
  const ServerSide both{.answers = true, .tls = true, .plaintext_allowed = true};
  const auto bad = sslmode_matrix(both, client(true, false, true));
  EXPECT_THAT(bad[2].why, HasSubstr("falls back to plaintext in silence"));
  EXPECT_THAT(bad[3].why, HasSubstr("certificate has expired"));
  EXPECT_THAT(bad[3].why, HasSubstr("verify as verify-ca"));
  EXPECT_THAT(sslmode_matrix(both, client(true, true, false))[5].why, HasSubstr("no such name"));
  EXPECT_THAT(sslmode_matrix(both, client(false, false, false))[5].why, HasSubstr("sslrootcert"));
}

TEST(SslModeNames, AreLibpqs) {
  EXPECT_EQ(to_string(SslMode::disable), "disable");
  EXPECT_EQ(to_string(SslMode::allow), "allow");
  EXPECT_EQ(to_string(SslMode::prefer), "prefer");
  EXPECT_EQ(to_string(SslMode::require), "require");
  EXPECT_EQ(to_string(SslMode::verify_ca), "verify-ca");
  EXPECT_EQ(to_string(SslMode::verify_full), "verify-full");
}

}  // namespace
}  // namespace pgcertd
