#include "issuer/make_issuer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "unit/support/test_ca.hpp"
#include "x509/certificate.hpp"
#include "x509/verify.hpp"

namespace pgcertd::issuer {
namespace {

using namespace pgcertd::test;
using ::testing::HasSubstr;

IssuerConfig config_of(IssuerType type, const std::string& directory = {}) {
  IssuerConfig config;
  config.name = "local";
  config.type = type;
  config.directory = directory;
  return config;
}

Result<Secret> no_secret(const SecretSource&) { return fail(Errc::not_found, "no such credential"); }
Result<Secret> no_key(const std::string&) { return fail(Errc::not_found, "no such key"); }

LocalIssuer local(const TestCa& ca) { return LocalIssuer(config_of(IssuerType::local, ca.issuing), no_secret); }

template <class T>
bool is(const IssuerAnswer& answer) {
  return std::holds_alternative<T>(answer);
}
bool final_refusal(const IssuerAnswer& answer) {
  const auto* refused = std::get_if<Refused>(&answer);
  return refused != nullptr && (refused->why.code == Errc::refused || refused->why.code == Errc::invalid);
}
bool passing_refusal(const IssuerAnswer& answer) { return is<Refused>(answer) && !final_refusal(answer); }

TEST(LocalIssuer, AnswersAndDescribesItself) {
  TestCa ca;
  LocalIssuer issuer = local(ca);
  TestRequest request;
  EXPECT_TRUE(is<Unknown>(issuer.lookup(request.request.spki_sha256, start)));
  const IssuerAnswer answer = issuer.submit(request.request, start);
  ASSERT_TRUE(is<Issued>(answer)) << std::get<Refused>(answer).why.text();
  EXPECT_TRUE(openssl_verifies(std::get<Issued>(answer), start));
  const IssuerAnswer found = issuer.lookup(request.request.spki_sha256, start);
  ASSERT_TRUE(is<Issued>(found));
  EXPECT_EQ(std::get<Issued>(found).chain_pem, std::get<Issued>(answer).chain_pem);

  const IssuerSeen seen = issuer.observe(start);
  EXPECT_EQ(seen.name, "local");
  EXPECT_TRUE(seen.available && seen.key_available);
  EXPECT_EQ(seen.why, "");
  EXPECT_EQ(seen.root_pem, slurp(ca.in_issuing("root.crt")));
  EXPECT_EQ(seen.issuing_pem, slurp(ca.in_issuing("issuing.crt")));
  EXPECT_EQ(seen.issuing->authority_key_id, seen.root->subject_key_id);
  EXPECT_EQ(seen.crl->number, "1");
  EXPECT_TRUE(seen.root_crl);
  EXPECT_EQ(seen.crl_pem, slurp(ca.in_issuing("issuing.crl")));
  EXPECT_EQ(seen.root_crl_pem, slurp(ca.in_issuing("root.crl")));
  EXPECT_EQ(seen.issued, 1U);
  EXPECT_EQ(issuer.observe(start + days{2}).crl->number, "2") << "observing keeps the CRL fresh";
}

TEST(LocalIssuer, HealsWhenItsDirectoryComes) {
  TestCa ca;
  const std::string away = ca.dir / "away";
  std::filesystem::rename(ca.issuing, away);
  LocalIssuer issuer = local(ca);
  TestRequest request;
  const IssuerSeen seen = issuer.observe(start);
  EXPECT_FALSE(seen.available || seen.key_available);
  EXPECT_THAT(seen.why, HasSubstr(ca.issuing));
  EXPECT_THAT(seen.remedy, HasSubstr("ca init"));
  EXPECT_TRUE(is<Unknown>(issuer.lookup(request.request.spki_sha256, start)));
  EXPECT_TRUE(passing_refusal(issuer.submit(request.request, start)));
  std::filesystem::create_directory(ca.issuing);
  EXPECT_TRUE(passing_refusal(issuer.submit(request.request, start))) << "no CA directory, but it may become one";
  std::filesystem::remove(ca.issuing);
  std::filesystem::rename(away, ca.issuing);
  EXPECT_TRUE(is<Issued>(issuer.submit(request.request, start)));
  EXPECT_TRUE(issuer.observe(start).available);
}

TEST(LocalIssuer, TakesUpAReplacedCa) {
  TestCa ca, renewed;
  LocalIssuer issuer = local(ca);
  const std::string before = issuer.observe(start).issuing->serial;
  std::filesystem::rename(ca.issuing, ca.dir / "former");
  std::filesystem::rename(renewed.issuing, ca.issuing);
  EXPECT_NE(issuer.observe(start).issuing->serial, before);
  EXPECT_TRUE(is<Issued>(issuer.submit(TestRequest().request, start)));
  std::filesystem::remove(ca.in_issuing("registry.db"));
  EXPECT_TRUE(passing_refusal(issuer.submit(TestRequest().request, start))) << "nothing is recorded in a file that is gone";
}

TEST(LocalIssuer, TellsWhatClientsTrustEvenWithoutItsKey) {
  ScratchDir dir;
  ca::InitOptions options;
  options.root_dir = dir / "root";
  options.issuing_dir = dir / "issuing";
  options.root_without_passphrase = true;
  options.issuing_passphrase.emplace("right");
  ASSERT_TRUE(ca::init_ca(options, start));
  IssuerConfig config = config_of(IssuerType::local, dir / "issuing");
  config.passphrase = {SecretSource::Kind::credential, "issuing-ca"};
  std::string given;
  LocalIssuer issuer(config, [&](const SecretSource& source) -> Result<Secret> {
    if (given.empty() || source.name != "issuing-ca") return no_secret(source);
    return Secret(given);
  });
  for (const char* passphrase : {"", "wrong"}) {
    given = passphrase;
    const IssuerSeen seen = issuer.observe(start);
    EXPECT_FALSE(seen.available || seen.key_available);
    EXPECT_NE(seen.why, "");
    EXPECT_EQ(seen.why.find("wrong-secret"), std::string::npos);
    EXPECT_EQ(seen.root_pem, slurp(dir / "issuing/root.crt"));
    EXPECT_EQ(seen.issuing_pem, slurp(dir / "issuing/issuing.crt"));
    EXPECT_EQ(seen.crl->number, "1");
    EXPECT_EQ(seen.crl_pem, slurp(dir / "issuing/issuing.crl"));
    EXPECT_EQ(seen.root_crl_pem, slurp(dir / "issuing/root.crl"));
    EXPECT_TRUE(passing_refusal(issuer.submit(TestRequest().request, start)));
  }
  given = "right";
  EXPECT_TRUE(issuer.observe(start).available);
}

TEST(LocalIssuer, AnExpiredCaIsUnavailableAndMayHeal) {
  TestCa ca(days{100});
  LocalIssuer issuer = local(ca);
  const IssuerSeen seen = issuer.observe(start + days{101});
  EXPECT_FALSE(seen.available);
  EXPECT_TRUE(seen.key_available);
  EXPECT_THAT(seen.why, HasSubstr("expired"));
  EXPECT_NE(seen.remedy, "");
  EXPECT_TRUE(passing_refusal(issuer.submit(TestRequest().request, start + days{101})));
  EXPECT_TRUE(issuer.observe(start).available);
}

TEST(LocalIssuer, PolicyRefusalsAreFinal) {
  TestCa ca;
  LocalIssuer issuer = local(ca);
  TestRequest request;
  request.request.names.dns = {"not a name"};
  EXPECT_TRUE(final_refusal(issuer.submit(request.request, start)));
}

TEST(LocalIssuer, ManyClustersShareIt) {
  TestCa ca;
  LocalIssuer issuer = local(ca);
  std::atomic<int> issued = 0;
  std::vector<std::thread> clusters;
  for (int i = 0; i < 4; ++i)
    clusters.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        if (is<Issued>(issuer.submit(TestRequest().request, start))) ++issued;
        (void)issuer.observe(start);
      }
    });
  for (auto& cluster : clusters) cluster.join();
  EXPECT_EQ(issued, 20);
  EXPECT_EQ(issuer.observe(start).issued, 20U);
}

struct SelfSigned {
  ScratchDir dir;
  TestRequest request;
  int asked = 0;
  SelfSignedIssuer issuer{"self", dir / "self.db", [this](const std::string& spki) -> Result<Secret> {
                            ++asked;
                            if (spki != request.request.spki_sha256) return no_key(spki);
                            return request.key.to_pem();
                          }};
};

TEST(SelfSignedIssuer, TheLeafIsItsOwnAnchor) {
  SelfSigned self;
  EXPECT_TRUE(self.issuer.observe(start).available);
  EXPECT_EQ(self.issuer.observe(start).root_pem, "");
  EXPECT_TRUE(is<Unknown>(self.issuer.lookup(self.request.request.spki_sha256, start)));
  const IssuerAnswer answer = self.issuer.submit(self.request.request, start);
  ASSERT_TRUE(is<Issued>(answer)) << std::get<Refused>(answer).why.text();
  const Issued& issued = std::get<Issued>(answer);
  EXPECT_EQ(issued.root_pem, issued.chain_pem);
  EXPECT_EQ(issued.crl_pem, "");
  EXPECT_TRUE(openssl_verifies(issued, start));
  const auto leaf = x509::parse_certificates(issued.chain_pem, "leaf").value().front();
  EXPECT_TRUE(leaf.facts().self_signed);
  EXPECT_TRUE(x509::name_matches(leaf.facts(), "db1.example.org"));
  EXPECT_EQ(mode_of(self.dir / "self.db"), 0600);
  EXPECT_TRUE(store::Registry::open(self.dir / "self.db")->find(leaf.facts().serial).value());

  EXPECT_EQ(std::get<Issued>(self.issuer.submit(self.request.request, start + days{1})).chain_pem, issued.chain_pem);
  EXPECT_EQ(std::get<Issued>(self.issuer.lookup(self.request.request.spki_sha256, start)).issued_at, start);
  EXPECT_EQ(self.asked, 1) << "known ones need no key";
  EXPECT_EQ(self.issuer.observe(start).issued, 1U);
}

TEST(SelfSignedIssuer, RefusesAndHeals) {
  SelfSigned self;
  TestRequest other;
  EXPECT_TRUE(passing_refusal(self.issuer.submit(other.request, start))) << "its key is not there";
  LeafRequest nameless = self.request.request;
  nameless.names = {};
  EXPECT_TRUE(final_refusal(self.issuer.submit(nameless, start)));
  SelfSignedIssuer swapped("self", self.dir / "b.db", [&](const std::string&) -> Result<Secret> { return other.key.to_pem(); });
  EXPECT_TRUE(final_refusal(swapped.submit(self.request.request, start))) << "a key that is not the one asked for";

  SelfSignedIssuer homeless("self", self.dir / "later/a.db",
                            [&](const std::string&) -> Result<Secret> { return self.request.key.to_pem(); });
  EXPECT_FALSE(homeless.observe(start).available);
  EXPECT_NE(homeless.observe(start).why, "");
  EXPECT_TRUE(passing_refusal(homeless.submit(self.request.request, start)));
  std::filesystem::create_directory(self.dir / "later");
  EXPECT_TRUE(is<Issued>(homeless.submit(self.request.request, start)));
}

TEST(MakeIssuer, MakesEachType) {
  TestCa ca;
  std::filesystem::rename(ca.issuing, ca.dir / "ca");
  const auto made = [&](IssuerType type) { return make_issuer(config_of(type), ca.dir.path(), {no_key, [](const std::string&) { return false; }}, no_secret); };
  EXPECT_TRUE(made(IssuerType::local)->observe(start).available) << "STATE/ca by default";
  EXPECT_TRUE(made(IssuerType::self_signed)->observe(start).available);
  EXPECT_TRUE(std::filesystem::exists(ca.dir / "self-signed-local.db"));
  const auto offline = made(IssuerType::offline);
  EXPECT_FALSE(offline->observe(start).available);
  EXPECT_THAT(offline->observe(start).why, HasSubstr("root_certificate"));
  EXPECT_NE(offline->observe(start).remedy, "");
  EXPECT_TRUE(is<Unknown>(offline->lookup("aa", start)));
  EXPECT_TRUE(passing_refusal(offline->submit(TestRequest().request, start)));
}

}  // namespace
}  // namespace pgcertd::issuer
