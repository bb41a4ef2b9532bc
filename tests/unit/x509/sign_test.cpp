// Covers lib/x509/sign.cpp and extensions.cpp.
#include "x509/sign.hpp"

#include <gmock/gmock.h>

#include <set>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const Workspace& work, const Certificate& certificate) {
  work.put("shown.crt", certificate.pem());
  return work.openssl("x509 -in shown.crt -noout -text");
}

std::string verify_command(const Workspace& work, const Certificate& leaf, std::string_view options) {
  work.put("leaf.crt", leaf.pem());
  work.put("issuing.crt", pki().issuing.certificate.pem());
  work.put("root.crt", pki().root.certificate.pem());
  return "verify -x509_strict -no-CApath -no-CAstore -attime " + std::to_string(to_unix(now)) + " -CAfile root.crt -untrusted issuing.crt " + std::string(options) +
         " leaf.crt";
}

TEST(Profiles, ServerLeafPassesTheStrictJudgeForEachKey) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048, KeyType::ed25519}) {
    const Workspace work;
    const PrivateKey key = make_key(type);
    const Names names{.dns = {"db1.example.org"}, .ip = {"2001:db8::1"}};
    const Certificate leaf = must(sign_leaf(pki().issuing.key, pki().issuing.certificate, must(make_request_pem(key, names)),
                                            {.serial = serial(), .names = names, .validity = {.not_before = now, .not_after = now + day}, .crl_url = "", .client_auth = false}));
    EXPECT_THAT(work.openssl(verify_command(work, leaf, "-purpose sslserver -auth_level 2 -verify_hostname db1.example.org")), HasSubstr("OK"));
    EXPECT_NE(work.try_openssl(verify_command(work, leaf, "-purpose sslclient")), 0);
    const std::string text = text_of(work, leaf);
    EXPECT_EQ(text.find("Key Encipherment") != std::string::npos, type == KeyType::rsa_2048) << to_string(type);
    EXPECT_THAT(text, HasSubstr("X509v3 Key Usage: critical"));
    EXPECT_THAT(text, HasSubstr("X509v3 Basic Constraints: critical\n                CA:FALSE"));
    EXPECT_THAT(text, HasSubstr("X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n"));
    EXPECT_THAT(text, HasSubstr("X509v3 Subject Alternative Name: \n                DNS:db1.example.org, IP Address:2001:DB8:0:0:0:0:0:1"));
    EXPECT_THAT(text, Not(HasSubstr("DirName")));
    EXPECT_EQ(leaf.facts().key_type, type);
  }
}

TEST(Profiles, ClientAuthAndDistributionPointOnlyWhereAskedFor) {
  const Workspace work;
  const Certificate leaf = pki().leaf({.crl_url = "http://pki.example.org/a,b.crl", .client_auth = true});
  EXPECT_THAT(work.openssl(verify_command(work, leaf, "-purpose sslclient")), HasSubstr("OK"));
  EXPECT_THAT(text_of(work, leaf), HasSubstr("URI:http://pki.example.org/a,b.crl"));
  EXPECT_THAT(text_of(work, pki().leaf()), Not(HasSubstr("CRL Distribution")));
}

TEST(Profiles, RootWithoutPathlenIssuingWithZero) {
  const Workspace work;
  const std::string root = text_of(work, pki().root.certificate), issuing = text_of(work, pki().issuing.certificate);
  EXPECT_THAT(root, HasSubstr("X509v3 Basic Constraints: critical\n                CA:TRUE\n"));
  EXPECT_THAT(issuing, HasSubstr("X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0"));
  for (const std::string& text : {root, issuing}) {
    EXPECT_THAT(text, HasSubstr("X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign"));
    EXPECT_THAT(text, Not(HasSubstr("Extended Key Usage")));
  }
  EXPECT_THAT(root, Not(HasSubstr("Authority Key Identifier")));
}

TEST(Profiles, ALongNameGivesAnEmptySubjectAndACriticalSan) {
  const Workspace work;
  const std::string edge = std::string(52, 'a') + ".example.org", over = std::string(53, 'a') + ".example.org";   // 64 and 65 octets
  EXPECT_EQ(pki().leaf({.names = {.dns = {edge}, .ip = {}}}).facts().common_name, edge);
  const Certificate leaf = pki().leaf({.names = {.dns = {over}, .ip = {}}});
  EXPECT_EQ(leaf.facts().subject, "");
  EXPECT_THAT(text_of(work, leaf), HasSubstr("X509v3 Subject Alternative Name: critical"));
  EXPECT_THAT(work.openssl(verify_command(work, leaf, "-purpose sslserver")), HasSubstr("OK"));
  EXPECT_TRUE(name_matches(leaf.facts(), over));
}

TEST(SelfSigned, VerifiesAgainstItselfAndNobodyElse) {
  const Workspace work;
  const LeafProfile profile{.serial = serial(), .names = {.dns = {"db1"}, .ip = {}}, .validity = {.not_before = now, .not_after = now + day}, .crl_url = "", .client_auth = false};
  const Certificate own = must(make_self_signed(pki().key, profile));
  EXPECT_TRUE(own.facts().self_signed);
  EXPECT_FALSE(own.facts().is_ca);
  EXPECT_TRUE(verify_chain({own}, {own}, Purpose::server, now).ok);
  EXPECT_FALSE(verify_chain({own}, pki().roots(), Purpose::server, now).ok);
  work.put("own.crt", own.pem());
  EXPECT_THAT(work.openssl("verify -x509_strict -attime " + std::to_string(to_unix(now)) + " -purpose sslserver -CAfile own.crt own.crt"), HasSubstr("OK"));
  EXPECT_THAT(text_of(work, own), Not(HasSubstr("X509v3 Key Usage")));   // OpenSSL 1.1.1 clients: see sign.cpp
}

TEST(SignLeaf, TakesOnlyTheKeyFromTheRequest) {
  const std::string request = must(make_request_pem(pki().key, {.dns = {"evil.example.org"}, .ip = {}}));
  const Certificate leaf = must(sign_leaf(pki().issuing.key, pki().issuing.certificate, request,
                                          {.serial = "4102", .names = {.dns = {"db1"}, .ip = {}}, .validity = {.not_before = now, .not_after = now + day}, .crl_url = "", .client_auth = false}));
  EXPECT_EQ(leaf.facts().names, (Names{.dns = {"db1"}, .ip = {}}));
  EXPECT_EQ(leaf.facts().serial, "4102");
  EXPECT_EQ(leaf.facts().subject, "CN=db1");
}

TEST(SignLeaf, Refuses) {
  const Pki& p = pki();
  const Names names{.dns = {"db1"}, .ip = {}};
  const std::string request = must(make_request_pem(p.key, names));
  const LeafProfile good{.serial = serial(), .names = names, .validity = {.not_before = now, .not_after = now + day}, .crl_url = "", .client_auth = false};
  const auto with = [&](auto change) {
    LeafProfile profile = good;
    change(profile);
    return sign_leaf(p.issuing.key, p.issuing.certificate, request, profile);
  };
  ASSERT_TRUE(with([](LeafProfile&) {}));
  EXPECT_FALSE(with([](LeafProfile& l) { l.names = {}; }));
  EXPECT_FALSE(with([](LeafProfile& l) { l.names.dns = {"a,IP:1.2.3.4"}; }));
  EXPECT_FALSE(with([](LeafProfile& l) { l.validity.not_after = l.validity.not_before; }));
  EXPECT_FALSE(with([](LeafProfile& l) { l.serial = ""; }));
  EXPECT_FALSE(with([](LeafProfile& l) { l.serial = std::string(42, '4'); }));
  EXPECT_FALSE(with([](LeafProfile& l) { l.serial = "ff" + std::string(38, '0'); }));   // 21 octets in DER
  const auto outlives = with([](LeafProfile& l) { l.validity.not_after = now + 701 * day; });
  ASSERT_FALSE(outlives);
  EXPECT_THAT(outlives.error().what, HasSubstr("outlive"));
  EXPECT_FALSE(sign_leaf(p.root.key, p.issuing.certificate, request, good));      // another CA's key
  EXPECT_FALSE(sign_leaf(p.key, p.leaf(), request, good));                        // a leaf is no CA
  EXPECT_FALSE(sign_leaf(p.issuing.key, p.issuing.certificate, "garbage", good));
}

TEST(SignLeaf, RefusesAForgedRequestAndAWeakKey) {
  const Workspace work;
  const LeafProfile profile{.serial = serial(), .names = {.dns = {"db1"}, .ip = {}}, .validity = {.not_before = now, .not_after = now + day}, .crl_url = "", .client_auth = false};
  work.openssl("req -new -newkey rsa:1024 -nodes -keyout k.pem -out weak.pem -subj /CN=x");
  const auto weak = sign_leaf(pki().issuing.key, pki().issuing.certificate, work.get("weak.pem"), profile);
  ASSERT_FALSE(weak);
  EXPECT_THAT(weak.error().what, HasSubstr("rsa-1024"));
  work.put("r.pem", must(make_request_pem(pki().key, {.dns = {"db1"}, .ip = {}})));
  work.openssl("req -in r.pem -outform DER -out r.der");
  std::string der = work.get("r.der");
  der[der.size() - 4] = static_cast<char>(der[der.size() - 4] ^ 1);
  const auto forged = sign_leaf(pki().issuing.key, pki().issuing.certificate, der, profile);
  ASSERT_FALSE(forged);
  EXPECT_EQ(forged.error().code, Errc::refused);
}

TEST(EdDsa, MayNotSignCertificates) {
  EXPECT_FALSE(check_ca_key(KeyType::ed25519));
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048, KeyType::rsa_3072, KeyType::rsa_4096}) EXPECT_TRUE(check_ca_key(type));
  const PrivateKey key = make_key(KeyType::ed25519);
  const Validity validity{.not_before = now, .not_after = now + day};
  EXPECT_FALSE(make_root(key, "Root", serial(), validity));
  EXPECT_FALSE(make_issuing_ca(pki().root.key, pki().root.certificate, key, "Issuing", serial(), validity));
  EXPECT_FALSE(make_self_signed(key, {.serial = serial(), .names = {.dns = {"a"}, .ip = {}}, .validity = validity, .crl_url = "", .client_auth = false}));
}

TEST(MakeCa, Refuses) {
  const Validity validity{.not_before = now, .not_after = now + day};
  EXPECT_FALSE(make_root(pki().key, "", serial(), validity));
  EXPECT_FALSE(make_root(pki().key, std::string(65, 'x'), serial(), validity));
  EXPECT_FALSE(make_root(pki().key, "Bad \xff UTF-8", serial(), validity));
  EXPECT_FALSE(make_root(pki().key, "Root", serial(), {.not_before = now, .not_after = now}));
  EXPECT_FALSE(make_issuing_ca(pki().key, pki().root.certificate, make_key(), "I", serial(), validity));
  EXPECT_FALSE(make_issuing_ca(pki().root.key, pki().root.certificate, make_key(), "I", serial(), {.not_before = now, .not_after = now + 4000 * day}));
}

TEST(MakeCa, TakesAnyNameAsOneName) {
  const std::string name = "A, O=B + \"C\" /CN=D \xC3\xBC";
  const PrivateKey key = make_key();
  const Certificate root = must(make_root(key, name, serial(), {.not_before = now, .not_after = now + day}));
  EXPECT_EQ(root.facts().common_name, name);
}

TEST(NewSerial, IsPositiveLongAndNew) {
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) {
    const std::string one = serial();
    ASSERT_EQ(one.size(), 40U);
    EXPECT_GE(one[0], '4');
    EXPECT_LE(one[0], '7');
    seen.insert(one);
  }
  EXPECT_EQ(seen.size(), 200U);
}

TEST(LeafValidity, Table) {
  CertFacts issuing, root;
  issuing.not_before = now - 10 * day;
  issuing.not_after = now + 50 * day;
  root.not_before = now - 100 * day;
  root.not_after = now + 40 * day;
  const auto hour = std::chrono::hours{1};
  struct Case { const char* what; TimePoint issue; Duration lifetime; std::vector<CertFacts> chain; TimePoint from, to; };
  for (const Case& c : {Case{"free", now, 90 * day, {}, now - hour, now + 90 * day},
                        Case{"short lives go back a tenth", now, std::chrono::minutes{100}, {}, now - std::chrono::minutes{10}, now + std::chrono::minutes{100}},
                        Case{"clamped by the root", now, 90 * day, {issuing, root}, now - hour, now + 40 * day},
                        Case{"clamped by the issuing CA", now, 90 * day, {issuing}, now - hour, now + 50 * day},
                        Case{"short enough", now, 30 * day, {issuing, root}, now - hour, now + 30 * day},
                        Case{"never before the issuer", now - 10 * day, day, {issuing}, now - 10 * day, now - 9 * day},
                        Case{"whole seconds", now + Duration{999}, 90 * day, {}, now - hour, now + 90 * day},
                        Case{"no end", now, no_expiry - now + day, {}, now - hour, no_expiry}}) {
    const Validity got = leaf_validity(c.issue, c.lifetime, c.chain);
    EXPECT_EQ(got.not_before, c.from) << c.what;
    EXPECT_EQ(got.not_after, c.to) << c.what;
  }
}

TEST(Dates, UtcTimeUntil2049AndGeneralizedTimeAfter) {
  const Workspace work;
  const PrivateKey key = make_key();
  const TimePoint end = must(parse_rfc3339("2050-01-01T00:00:00Z"));
  work.put("c.pem", must(make_root(key, "R", serial(), {.not_before = end - std::chrono::seconds{1}, .not_after = end})).pem());
  const std::string structure = work.openssl("asn1parse -in c.pem");
  EXPECT_THAT(structure, HasSubstr("UTCTIME           :491231235959Z"));
  EXPECT_THAT(structure, HasSubstr("GENERALIZEDTIME   :20500101000000Z"));
  EXPECT_FALSE(make_root(key, "R", serial(), {.not_before = from_unix(-1), .not_after = end}));
}

}  // namespace
}  // namespace pgcertd::x509
