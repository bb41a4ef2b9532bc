// Covers lib/x509/pkcs12.cpp.
#include "x509/pkcs12.hpp"

#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using ::testing::HasSubstr;

// Certificates that nobody else holds: what is taken of them and not given back shows under the address sanitizer.
std::vector<Certificate> chain_of_its_own() {
  std::string pem;
  for (const Certificate& one : pki().chain()) pem += one.pem();
  return must(parse_certificates(pem, "chain"));
}

TEST(Pkcs12, HoldsKeyAndChainForWhoeverHasThePassphrase) {
  const Workspace work;
  const auto chain = chain_of_its_own();
  const Secret bundle = must(to_pkcs12(pki().key, chain, "bob", Secret("word")));
  work.put("bob.p12", std::string(bundle.view()));
  work.openssl("pkcs12 -in bob.p12 -passin pass:word -nodes -out bob.pem");
  const auto held = must(parse_certificates(work.get("bob.pem"), "bob.pem"));
  ASSERT_EQ(held.size(), 2U);
  EXPECT_EQ(must(PrivateKey::parse(work.get("bob.pem"), "bob.pem")).spki_sha256(), pki().key.spki_sha256());

  const OpenedPkcs12 opened = must(open_pkcs12(bundle.view(), "bob.p12", Secret("word")));
  EXPECT_EQ(opened.key.spki_sha256(), pki().key.spki_sha256());
  EXPECT_EQ(opened.certificate.facts(), chain.front().facts());
}

TEST(Pkcs12, OthersDoNotOpen) {
  const Secret bundle = must(to_pkcs12(pki().key, chain_of_its_own(), "bob", Secret("word")));
  const auto other = open_pkcs12(bundle.view(), "bob.p12", Secret("other"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::crypto);
  EXPECT_THAT(other.error().text(), HasSubstr("the passphrase is another one"));
  const auto damaged = open_pkcs12(bundle.view().substr(0, bundle.size() / 2), "bob.p12", Secret("word"));
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, Errc::parse);
}

TEST(Pkcs12, WhatWouldProtectNothingIsRefused) {
  EXPECT_EQ(to_pkcs12(pki().key, chain_of_its_own(), "bob", Secret()).error().code, Errc::invalid);
  EXPECT_EQ(to_pkcs12(pki().key, {}, "bob", Secret("word")).error().code, Errc::invalid);
}

}  // namespace
}  // namespace pgcertd::x509
