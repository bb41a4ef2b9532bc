// Covers lib/x509/certificate.cpp, known_certificates.cpp, facts.cpp, asn1.cpp, key_kind.cpp.
#include "x509/certificate.hpp"

#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"
#include "x509/known_certificates.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string joined(const std::vector<Certificate>& list) { return to_pem(list); }

TEST(CertificateFacts, AreThoseThatTheOpensslProgramReads) {
  const Workspace work;
  const Certificate leaf = pki().leaf({.crl_url = "http://pki.example.org/a.crl"});
  const std::string file = work.put("leaf.crt", leaf.pem());
  const CertFacts& facts = leaf.facts();
  std::string serial_upper = facts.serial;
  for (char& c : serial_upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_THAT(work.openssl("x509 -noout -serial -in leaf.crt"), HasSubstr("serial=" + serial_upper));
  EXPECT_EQ(facts.subject, "CN=db1.example.org");
  EXPECT_EQ(facts.issuer, "CN=Test Issuing CA");
  EXPECT_EQ(facts.common_name, "db1.example.org");
  EXPECT_EQ(facts.names, (Names{.dns = {"db1.example.org"}, .ip = {"10.0.0.5"}}));
  EXPECT_EQ(to_rfc3339(facts.not_before), "2025-12-31T23:00:00Z");
  EXPECT_EQ(to_rfc3339(facts.not_after), "2026-04-01T00:00:00Z");
  EXPECT_EQ(facts.key_type, KeyType::ecdsa_p256);
  EXPECT_EQ(facts.key_name, "ecdsa-p256");
  EXPECT_EQ(facts.signature_algorithm, "ecdsa-with-SHA256");
  EXPECT_EQ(facts.signature_digest, "sha256");
  EXPECT_EQ(facts.authority_key_id, pki().issuing.certificate.facts().subject_key_id);
  EXPECT_EQ(facts.subject_key_id.size(), 40U);
  EXPECT_EQ(facts.spki_sha256, pki().key.spki_sha256());
  EXPECT_TRUE(facts.server_auth);
  EXPECT_FALSE(facts.client_auth);
  EXPECT_FALSE(facts.is_ca);
  EXPECT_FALSE(facts.self_issued);
  EXPECT_FALSE(facts.crl_sign);
  const std::string digest = work.openssl("x509 -in leaf.crt -outform DER -out leaf.der && openssl dgst -sha256 leaf.der");
  EXPECT_THAT(digest, HasSubstr(facts.fingerprint_sha256));
  EXPECT_EQ(work.get("leaf.der"), leaf.der());
}

TEST(CertificateFacts, OfARoot) {
  const CertFacts& root = pki().root.certificate.facts();
  EXPECT_TRUE(root.is_ca);
  EXPECT_TRUE(root.self_issued);
  EXPECT_TRUE(root.self_signed);
  EXPECT_TRUE(root.crl_sign);
  EXPECT_TRUE(root.client_auth);   // no extendedKeyUsage allows all
}

// Keys and curves that pgcertd never makes are named all the same.
TEST(CertificateFacts, NameEachKindOfKey) {
  const Workspace work;
  struct Case { const char* make; const char* name; const char* digest; };
  for (const Case& c : {Case{"-newkey rsa:1024 -sha1", "rsa-1024", "sha1"}, Case{"-newkey rsa:2048 -md5", "rsa-2048", "md5"},
                        Case{"-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", "secp256k1", "sha256"},
                        Case{"-newkey ec -pkeyopt ec_paramgen_curve:P-521", "ecdsa-p521", "sha256"},
                        Case{"-newkey rsa-pss -pkeyopt rsa_keygen_bits:2048", "rsa-pss-2048", "sha256"},
                        Case{"-newkey ed25519", "ed25519", ""}, Case{"-newkey ed448", "ed448", ""}}) {
    work.openssl(std::string("req -x509 -nodes -keyout k.pem -out c.crt -days 30 -subj /CN=x ") + c.make);
    const auto parsed = parse_certificates(work.get("c.crt"), "c.crt");
    ASSERT_TRUE(parsed) << c.name << ": " << parsed.error().text();
    EXPECT_EQ(parsed->front().facts().key_name, c.name);
    EXPECT_EQ(parsed->front().facts().signature_digest, c.digest) << c.name;
  }
}

TEST(CertificateFacts, NoExpiryDoesNotWrap) {
  const PrivateKey key = make_key();
  const Certificate root = must(make_root(key, "Forever", serial(), {.not_before = now, .not_after = no_expiry}));
  EXPECT_EQ(to_rfc3339(root.facts().not_after), "9999-12-31T23:59:59Z");
  EXPECT_EQ(root.facts().not_after, no_expiry);
}

TEST(ParseCertificates, TakesWhatPostgresTakes) {
  const std::string leaf = pki().leaf().pem();
  const std::string two = leaf + pki().issuing.certificate.pem();
  std::string crlf;
  for (const char c : two) crlf += c == '\n' ? std::string("\r\n") : std::string(1, c);
  struct Case { const char* what; std::string bytes; std::size_t count; };
  for (const Case& c : {Case{"one", leaf, 1}, Case{"two", two, 2}, Case{"text around", "Subject: x\n" + leaf + "\nand here\n" + pki().root.certificate.pem() + "end", 2},
                        Case{"CRLF", crlf, 2}, Case{"BOM", "\xEF\xBB\xBF" + two, 2}, Case{"DER", pki().leaf().der(), 1},
                        Case{"a key between", leaf + std::string(pki().key.to_pem().view()) + pki().root.certificate.pem(), 2},
                        Case{"no newline at the end", leaf.substr(0, leaf.size() - 1), 1}}) {
    const auto parsed = parse_certificates(c.bytes, "server.crt");
    ASSERT_TRUE(parsed) << c.what << ": " << parsed.error().text();
    EXPECT_EQ(parsed->size(), c.count) << c.what;
  }
}

TEST(ParseCertificates, RefusesWhatPostgresRefusesAndNamesTheFile) {
  const std::string leaf = pki().leaf().pem();
  std::string glued = leaf.substr(0, leaf.size() - 1) + pki().root.certificate.pem();
  std::string cr_only = leaf;
  for (char& c : cr_only)
    if (c == '\n') c = '\r';
  std::string flipped = leaf;
  flipped[flipped.find('\n') + 1] = '!';
  struct Case { const char* what; std::string bytes; };
  for (const Case& c : {Case{"empty", ""}, Case{"garbage", "hello"}, Case{"binary garbage", std::string("\x30\x82\xff\xff garbage", 12)},
                        Case{"truncated", leaf.substr(0, leaf.size() / 2)}, Case{"glued END and BEGIN", glued}, Case{"CR only", cr_only},
                        Case{"bad base64", flipped}, Case{"only a key", std::string(pki().key.to_pem().view())},
                        Case{"DER with a tail", pki().leaf().der() + "x"}, Case{"truncated DER", pki().leaf().der().substr(0, 100)},
                        Case{"second block is broken", leaf + "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}}) {
    const auto parsed = parse_certificates(c.bytes, "server.crt");
    ASSERT_FALSE(parsed) << c.what;
    EXPECT_EQ(parsed.error().code, Errc::parse) << c.what;
    EXPECT_THAT(parsed.error().text(), HasSubstr("server.crt")) << c.what;
  }
}

TEST(ParseCertificates, RefusesMoreThanTheLimitBeforeLookingAtIt) {
  const auto parsed = parse_certificates(std::string(largest_crl + 1, 'x'), "huge");
  ASSERT_FALSE(parsed);
  EXPECT_THAT(parsed.error().what, HasSubstr("at most"));
}

TEST(ParseCertificates, PassesOverATrustedBlockThatIsNotTheFirst) {
  const Workspace work;
  work.put("root.crt", pki().root.certificate.pem());
  work.openssl("x509 -in root.crt -trustout -addtrust serverAuth -out trusted.crt");
  const std::string trusted = work.get("trusted.crt");
  ASSERT_THAT(trusted, HasSubstr("BEGIN TRUSTED CERTIFICATE"));
  EXPECT_EQ(must(parse_certificates(pki().leaf().pem() + trusted, "a")).size(), 1U);
  EXPECT_EQ(must(parse_certificates(trusted, "a")).size(), 1U);
}

TEST(CertificatePem, RoundTrips) {
  const auto chain = pki().chain();
  const auto again = must(parse_certificates(joined(chain), "chain"));
  ASSERT_EQ(again.size(), 2U);
  EXPECT_EQ(again[0].facts(), chain[0].facts());
  EXPECT_EQ(again[1].der(), chain[1].der());
}

TEST(ParseCertificates, AnEmbeddedNullInANameIsKept) {
  const Workspace work;
  work.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -outform DER -out c.der -subj /CN=db1.example.orgXevil.org "
               "-addext subjectAltName=DNS:db1.example.orgXevil.org");
  std::string der = work.get("c.der");
  for (std::size_t at; (at = der.find("orgXevil")) != std::string::npos;) der[at + 3] = '\0';
  const auto parsed = parse_certificates(der, "c.der");
  ASSERT_TRUE(parsed) << parsed.error().text();
  EXPECT_EQ(parsed->front().facts().names.dns.front(), std::string("db1.example.org\0evil.org", 24));
  EXPECT_FALSE(name_matches(parsed->front().facts(), "db1.example.org"));
}

// Every truncation and every flipped byte: an answer, never a crash (the sanitizers watch).
TEST(ParseCertificates, SurvivesDamage) {
  const std::string der = pki().leaf({.crl_url = "http://pki.example.org/x"}).der();
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string damaged = der;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xff);
    (void)parse_certificates(damaged, "damaged");
    EXPECT_FALSE(parse_certificates(der.substr(0, i), "cut"));
  }
}

// Of bytes that were read before, the same certificates; of others, never those.
TEST(KnownCertificates, AreThoseOfTheBytes) {
  const std::string one = pki().root.certificate.pem(), two = pki().issuing.certificate.pem();
  const auto first = must(known_certificates(one, "a")), again = must(known_certificates(one, "b"));
  EXPECT_EQ(&first.front().handle(), &again.front().handle()) << "it was not read a second time";
  EXPECT_EQ(must(known_certificates(two, "a")).front().facts(), pki().issuing.certificate.facts());
  EXPECT_EQ(must(known_certificates(one + two, "a")).size(), 2U);
  const std::string der = must(known_certificates(one, "a")).front().der();
  for (int i = 0; i < 2; ++i) EXPECT_EQ(must(known_certificate(der)).facts(), first.front().facts());
  EXPECT_FALSE(known_certificate(one)) << "PEM is no DER";
  EXPECT_FALSE(known_certificate(der.substr(1)));
  EXPECT_FALSE(known_certificates(one.substr(0, 100), "a"));
  EXPECT_THAT(known_certificates("", "missing.crt").error().text(), HasSubstr("missing.crt"));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(must(known_certificates(two + std::string(static_cast<std::size_t>(i), '\n'), "many")).size(), 1U);
  EXPECT_EQ(must(known_certificates(one, "a")).front().facts(), first.front().facts()) << "also when it was forgotten";
  const std::string with_key = one + std::string(must(PrivateKey::generate(KeyType::ecdsa_p256)).to_pem().view());
  const auto beside_key = must(known_certificates(with_key, "a")), once_more = must(known_certificates(with_key, "a"));
  EXPECT_NE(&beside_key.front().handle(), &once_more.front().handle()) << "a key is not remembered";
}

}  // namespace
}  // namespace pgcertd::x509
