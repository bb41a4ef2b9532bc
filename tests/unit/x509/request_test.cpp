// Covers lib/x509/request.cpp.
#include "x509/request.hpp"

#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(MakeRequest, SaysWhatWasAskedFor) {
  const Names names{.dns = {"db1.example.org", "*.db.example.org"}, .ip = {"10.0.0.5", "2001:db8::1"}};
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::rsa_2048, KeyType::ed25519}) {
    const Workspace work;
    const PrivateKey key = make_key(type);
    const std::string pem = must(make_request_pem(key, names));
    work.put("r.pem", pem);
    EXPECT_THAT(work.openssl("req -in r.pem -noout -verify"), HasSubstr("OK"));
    const RequestFacts facts = must(parse_request(pem, "r.pem"));
    EXPECT_EQ(facts.names, names);
    EXPECT_EQ(facts.subject, "CN=db1.example.org");
    EXPECT_EQ(facts.common_name, "db1.example.org");
    EXPECT_EQ(facts.spki_sha256, key.spki_sha256());
    EXPECT_EQ(facts.key_type, type);
    EXPECT_TRUE(facts.signature_ok);
    EXPECT_FALSE(facts.asks_for_ca);
  }
}

TEST(MakeRequest, ALongFirstNameIsLeftOutOfTheSubject) {
  const std::string long_name = std::string(60, 'a') + ".example.org";
  EXPECT_EQ(must(parse_request(must(make_request_pem(pki().key, {.dns = {long_name}, .ip = {}})), "r")).subject, "");
  EXPECT_EQ(must(parse_request(must(make_request_pem(pki().key, {.dns = {}, .ip = {"10.0.0.5"}})), "r")).common_name, "10.0.0.5");
}

TEST(MakeRequest, RefusesNamesThatAreNone) {
  for (const std::string& bad : {std::string("a,DNS:evil.org"), std::string("@section"), std::string("a b"), std::string()})
    EXPECT_FALSE(make_request_pem(pki().key, {.dns = {bad}, .ip = {}})) << bad;
  EXPECT_FALSE(make_request_pem(pki().key, {}));
}

TEST(ParseRequest, SeesAForgedSignatureAndAWishToBeACa) {
  const Workspace work;
  work.openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out r.pem -subj /CN=x -addext basicConstraints=CA:TRUE");
  work.openssl("req -in r.pem -outform DER -out r.der");
  std::string der = work.get("r.der");
  const RequestFacts good = must(parse_request(der, "r.der"));
  EXPECT_TRUE(good.asks_for_ca);
  EXPECT_TRUE(good.signature_ok);
  der[der.size() - 5] = static_cast<char>(der[der.size() - 5] ^ 1);
  EXPECT_FALSE(must(parse_request(der, "r.der")).signature_ok);
}

TEST(ParseRequest, RefusesGarbage) {
  const std::string pem = must(make_request_pem(pki().key, {.dns = {"a.example.org"}, .ip = {}}));
  for (const std::string& bad : {std::string(), std::string("garbage"), pem.substr(0, 90), pki().root.certificate.pem(), pki().root.certificate.der()}) {
    const auto request = parse_request(bad, "r.pem");
    ASSERT_FALSE(request);
    EXPECT_THAT(request.error().text(), HasSubstr("r.pem"));
  }
}

}  // namespace
}  // namespace pgcertd::x509
