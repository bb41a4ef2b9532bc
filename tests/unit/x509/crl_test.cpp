// Covers lib/x509/sign_crl.cpp and the CRL half of certificate.cpp and facts.cpp.
#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;
using ::testing::Not;

Result<Crl> crl_of(const Authority& ca, std::string_view number, const std::vector<RevokedEntry>& revoked) {
  return make_crl(ca.key, ca.certificate, number, now, now + 30 * day, revoked);
}

TEST(MakeCrl, IsWhatRfc5280AndTheOpensslProgramWant) {
  const Workspace work;
  const std::string b = "7f" + std::string(38, 'b'), a = "41" + std::string(38, 'a');
  const Crl crl = must(crl_of(pki().issuing, "340282366920938463463374607431768211456",
                              {{.serial = b, .revoked_at = now - day, .reason = "keyCompromise"}, {.serial = a, .revoked_at = now - day, .reason = ""},
                               {.serial = b, .revoked_at = now, .reason = "superseded"}}));
  work.put("ca.crt", pki().issuing.certificate.pem());
  work.put("x.crl", crl.pem());
  const std::string text = work.openssl("crl -in x.crl -noout -text -CAfile ca.crt -verify");
  EXPECT_THAT(text, HasSubstr("verify OK"));
  EXPECT_THAT(text, HasSubstr("Version 2"));
  EXPECT_THAT(text, HasSubstr("Key Compromise"));
  EXPECT_THAT(text, HasSubstr("X509v3 Authority Key Identifier"));
  EXPECT_THAT(text, Not(HasSubstr("Issuing Distribution Point")));
  EXPECT_THAT(text, Not(HasSubstr("DirName")));                       // key id only
  EXPECT_LT(text.find(std::string(38, 'A')), text.find(std::string(38, 'B')));   // sorted
  const CrlFacts& facts = crl.facts();
  EXPECT_EQ(facts.number, "340282366920938463463374607431768211456");
  EXPECT_EQ(facts.revoked, 2U);
  EXPECT_EQ(facts.issuer, "CN=Test Issuing CA");
  EXPECT_EQ(facts.authority_key_id, pki().issuing.certificate.facts().subject_key_id);
  EXPECT_EQ(facts.this_update, now);
  EXPECT_EQ(facts.next_update, now + 30 * day);
  EXPECT_FALSE(facts.delta || facts.indirect || facts.unknown_critical);
  EXPECT_TRUE(crl.contains(a));
  EXPECT_TRUE(crl.contains(b));
  EXPECT_FALSE(crl.contains("42" + std::string(38, 'a')));
  EXPECT_FALSE(crl.contains(""));
  EXPECT_FALSE(crl.contains("no hex"));
}

TEST(MakeCrl, TakesEveryReasonAndRefusesOthers) {
  for (const char* reason : {"", "unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded", "cessationOfOperation", "certificateHold",
                             "privilegeWithdrawn", "aACompromise"})
    EXPECT_TRUE(crl_of(pki().issuing, "1", {{.serial = serial(), .revoked_at = now, .reason = reason}})) << reason;
  for (const char* reason : {"removeFromCRL", "KeyCompromise", "because"}) {
    const auto crl = crl_of(pki().issuing, "1", {{.serial = serial(), .revoked_at = now, .reason = reason}});
    ASSERT_FALSE(crl) << reason;
    EXPECT_THAT(crl.error().remedy, HasSubstr("keyCompromise"));
  }
}

TEST(MakeCrl, RefusesWhatWouldBeWrong) {
  const Pki& p = pki();
  EXPECT_FALSE(make_crl(p.key, p.issuing.certificate, "1", now, now + day, {}));                 // another's key
  EXPECT_FALSE(make_crl(p.key, p.leaf(), "1", now, now + day, {}));                              // no CA
  EXPECT_FALSE(make_crl(p.issuing.key, p.issuing.certificate, "1", now, now, {}));               // never valid
  for (const char* number : {"", "-1", "0x1", "1e3", "9999999999999999999999999999999999999999999999999999"})
    EXPECT_FALSE(crl_of(p.issuing, number, {})) << number;
  for (const char* bad : {"", "zz", "-01", "01020304050607080910111213141516171819202122"})
    EXPECT_FALSE(crl_of(p.issuing, "1", {{.serial = bad, .revoked_at = now, .reason = ""}})) << bad;
}

TEST(ParseCrls, SeveralInOneFileAndGarbage) {
  const std::string one = must(crl_of(pki().root, "1", {})).pem(), two = must(crl_of(pki().issuing, "2", {})).pem();
  const auto both = must(parse_crls("text\n" + one + two, "root.crl"));
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[1].facts().number, "2");
  EXPECT_EQ(must(parse_crls(both[0].der(), "x"))[0].facts(), both[0].facts());
  for (const std::string& bad : {std::string(), std::string("garbage"), one.substr(0, 80), one.substr(0, one.size() - 1) + two, both[0].der() + "x",
                                 pki().root.certificate.pem()})
    EXPECT_FALSE(parse_crls(bad, "root.crl"));
}

// What OpenSSL's program can make and pgcertd must recognise in others' CRLs (2.5.29.27: the delta indicator).
TEST(CrlFacts, SeeDeltaIndirectAndUnknownCritical) {
  const Workspace work;
  work.put("ca.crt", pki().issuing.certificate.pem());
  work.put("ca.key", pki().issuing.key.to_pem().view());
  work.put("index.txt", "");
  work.put("number", "01\n");
  struct Case { const char* extension; bool delta, indirect, unknown; };
  for (const Case& c : {Case{"2.5.29.27=critical,ASN1:INTEGER:1", true, false, false},
                        Case{"issuingDistributionPoint=critical,@idp", false, true, false},
                        Case{"1.2.3.4=critical,ASN1:NULL", false, false, true}}) {
    work.put("ca.cnf", std::string("[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=30\ncrl_extensions=e\n[e]\n") +
                           c.extension + "\n[idp]\nindirectCRL=TRUE\n");
    work.openssl("ca -config ca.cnf -gencrl -cert ca.crt -keyfile ca.key -out x.crl");
    const auto crls = parse_crls(work.get("x.crl"), "x.crl");
    ASSERT_TRUE(crls) << c.extension << crls.error().text();
    const CrlFacts& facts = crls->front().facts();
    EXPECT_EQ(facts.delta, c.delta) << c.extension;
    EXPECT_EQ(facts.indirect, c.indirect) << c.extension;
    EXPECT_EQ(facts.unknown_critical, c.unknown) << c.extension;
  }
}

// A serial of another CA may use all 20 octets with the top bit set.
TEST(CrlContains, FindsSerialsLongerThanOurs) {
  const Workspace work;
  const std::string wide(40, 'F');
  work.put("ca.crt", pki().issuing.certificate.pem());
  work.put("ca.key", pki().issuing.key.to_pem().view());
  work.put("index.txt", "R\t300101000000Z\t250101000000Z\t" + wide + "\tunknown\t/CN=x\n");
  work.put("ca.cnf", "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=30\n");
  work.openssl("ca -config ca.cnf -gencrl -cert ca.crt -keyfile ca.key -out x.crl");
  const auto crls = must(parse_crls(work.get("x.crl"), "x.crl"));
  EXPECT_TRUE(crls[0].contains(std::string(40, 'f')));
  EXPECT_FALSE(crls[0].contains(std::string(38, 'f')));
}

TEST(ParseCrls, SurvivesDamage) {
  const std::string der = must(crl_of(pki().issuing, "7", {{.serial = serial(), .revoked_at = now, .reason = "superseded"}})).der();
  for (std::size_t i = 0; i < der.size(); ++i) {
    std::string damaged = der;
    damaged[i] = static_cast<char>(damaged[i] ^ 0xff);
    (void)parse_crls(damaged, "damaged");
    EXPECT_FALSE(parse_crls(der.substr(0, i), "cut"));
  }
}

}  // namespace
}  // namespace pgcertd::x509
