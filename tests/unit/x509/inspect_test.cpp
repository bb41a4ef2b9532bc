// Covers lib/x509/inspect.cpp and inspect_findings.cpp.
#include "x509/inspect.hpp"

#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"
#include "x509/pkcs12.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = Inspection::Kind;

std::string key_pem(const PrivateKey& key) { return std::string(key.to_pem().view()); }

TEST(Inspect, SaysWhatItIs) {
  const Workspace work;
  const Pki& p = pki();
  const Secret passphrase("x");
  const std::string leaf = p.leaf().pem(), crl = must(make_crl(p.issuing.key, p.issuing.certificate, "1", now, now + day, {})).pem();
  const std::string request = must(make_request_pem(p.key, {.dns = {"a"}, .ip = {}}));
  work.put("leaf.crt", leaf);
  work.put("leaf.key", key_pem(p.key));
  work.put("r.pem", request);
  work.openssl("pkcs12 -export -in leaf.crt -inkey leaf.key -passout pass:x -out x.p12");
  work.openssl("pkcs8 -topk8 -nocrypt -in leaf.key -outform DER -out k.der");
  work.openssl("pkcs8 -topk8 -passout pass:x -in leaf.key -outform DER -out e.der");
  work.openssl("req -in r.pem -outform DER -out r.der");
  struct Case { const char* what; std::string bytes; Kind kind; bool pem, key; bool findings; };
  for (const Case& c : {Case{"certificate", leaf, Kind::certificate, true, false, false}, Case{"DER", p.leaf().der(), Kind::certificate, false, false, true},
                        Case{"chain", to_pem(p.chain()), Kind::chain, true, false, false}, Case{"bundle", p.root.certificate.pem() + p.issuing.certificate.pem(), Kind::chain, true, false, false},
                        Case{"key", key_pem(p.key), Kind::private_key, true, true, false}, Case{"key in DER", work.get("k.der"), Kind::private_key, false, true, true},
                        Case{"encrypted", std::string(must(p.key.to_encrypted_pem(passphrase)).view()), Kind::encrypted_key, true, true, true},
                        Case{"encrypted DER", work.get("e.der"), Kind::encrypted_key, false, true, true}, Case{"request", request, Kind::request, true, false, false},
                        Case{"request in DER", work.get("r.der"), Kind::request, false, false, true}, Case{"CRL", crl, Kind::crl, true, false, false},
                        Case{"PKCS#12", work.get("x.p12"), Kind::pkcs12, false, false, true}, Case{"both", leaf + key_pem(p.key), Kind::certificate, true, true, false},
                        Case{"nothing", "", Kind::unknown, false, false, true}, Case{"text", "hello", Kind::unknown, false, false, true},
                        Case{"another block", "-----BEGIN FOO-----\nAAAA\n-----END FOO-----\n", Kind::unknown, true, false, true}}) {
    const Inspection seen = inspect(c.bytes, now);
    EXPECT_EQ(seen.kind, c.kind) << c.what << ": " << to_string(seen.kind);
    EXPECT_EQ(seen.pem, c.pem) << c.what;
    EXPECT_EQ(seen.holds_private_key, c.key) << c.what;
    EXPECT_EQ(!seen.findings.empty(), c.findings) << c.what << ::testing::PrintToString(seen.findings);
  }
  EXPECT_EQ(inspect(key_pem(p.key), now).key_spki_sha256, p.key.spki_sha256());
  EXPECT_EQ(inspect(request, now).requests.at(0).common_name, "a");
  EXPECT_EQ(inspect(crl, now).crls.at(0).number, "1");
}

TEST(Inspect, FindsWhatPostgresAndClientsObjectTo) {
  const Workspace work;
  const Pki& p = pki();
  const std::string leaf = p.leaf().pem(), issuing = p.issuing.certificate.pem();
  work.put("i.crt", issuing);
  work.openssl("x509 -in i.crt -trustout -addtrust serverAuth -out t.crt");
  work.openssl("req -x509 -newkey rsa:1024 -nodes -keyout w.key -out w.crt -days 36500 -subj /CN=w");
  work.openssl("req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem -out ca.csr -subj /CN=x -addext basicConstraints=CA:TRUE");
  const std::string old_crl = must(make_crl(p.root.key, p.root.certificate, "1", now - 2 * day, now - day, {})).pem();
  struct Case { const char* what; std::string bytes; TimePoint at; const char* finding; };
  for (const Case& c : {Case{"expired", leaf, now + 91 * day, "expired at"}, Case{"future", leaf, now - day, "not valid before"},
                        Case{"order", issuing + leaf, now, "must come first"}, Case{"gap", leaf + p.root.certificate.pem(), now, "out of order or has a gap"},
                        Case{"another key", leaf + key_pem(make_key()), now, "does not belong"}, Case{"weak", work.get("w.crt"), now, "rsa-1024"}, Case{"weak key", work.get("w.key"), now, "rsa-1024"},
                        Case{"trusted", leaf + work.get("t.crt"), now, "TRUSTED CERTIFICATE"}, Case{"broken", leaf.substr(0, 200), now, "could not load"},
                        Case{"CRL expired", old_crl, now, "refuses every client certificate"}, Case{"CRL future", old_crl, now - 3 * day, "not valid before"},
                        Case{"CA request", work.get("ca.csr"), now, "become a CA"}, Case{"broken key", key_pem(p.key).substr(0, 70), now, "cannot be read"}})
    EXPECT_THAT(inspect(c.bytes, c.at).findings, Contains(HasSubstr(c.finding))) << c.what;
  EXPECT_THAT(inspect(to_pem(p.chain()), now).findings, IsEmpty());
}

TEST(Inspect, OpensWhatIsSealedWithItsPassphrase) {
  const Workspace work;
  const Pki& p = pki();
  const Secret word("word"), other("other");
  const std::vector<Certificate> chain = p.chain();
  const Secret bundle = must(to_pkcs12(p.key, chain, "bob", word));
  const Inspection closed = inspect(bundle.view(), now), opened = inspect(bundle.view(), now, &word);
  EXPECT_TRUE(closed.sealed);
  EXPECT_THAT(closed.certificates, IsEmpty());
  EXPECT_FALSE(opened.sealed);
  EXPECT_EQ(opened.certificates.size(), chain.size());
  EXPECT_EQ(opened.certificates.front(), chain.front().facts());
  EXPECT_EQ(opened.key_spki_sha256, p.key.spki_sha256());
  EXPECT_EQ(opened.findings.size(), 1U) << "no more than that PostgreSQL does not load it: " << ::testing::PrintToString(opened.findings);
  EXPECT_THAT(inspect(bundle.view(), now + 91 * day, &word).findings, Contains(HasSubstr("expired at")));
  EXPECT_THAT(inspect(bundle.view(), now, &other).findings, Contains(HasSubstr("does not open")));

  work.put("root.crt", p.root.certificate.pem());
  work.openssl("pkcs12 -export -nokeys -in root.crt -passout pass:word -out trust.p12");
  const Inspection trust = inspect(work.get("trust.p12"), now, &word);
  EXPECT_EQ(trust.certificates.size(), 1U);
  EXPECT_THAT(trust.findings, Contains(HasSubstr("no private key")));

  const Secret sealed = must(p.key.to_encrypted_pem(word));
  EXPECT_TRUE(inspect(sealed.view(), now).sealed);
  EXPECT_EQ(inspect(sealed.view(), now, &word).key_spki_sha256, p.key.spki_sha256());
  EXPECT_THAT(inspect(sealed.view(), now, &other).findings, Contains(HasSubstr("cannot be read")));
}

TEST(Inspect, RefusesMoreThanTheLimit) {
  const Inspection seen = inspect(std::string(largest_crl + 1, 'x'), now);
  EXPECT_EQ(seen.kind, Kind::unknown);
  EXPECT_THAT(seen.findings, Contains(HasSubstr("at most")));
}

TEST(Inspect, SurvivesDamage) {
  const std::string pem = to_pem(pki().chain()) + key_pem(pki().key);
  for (std::size_t i = 0; i < pem.size(); i += 7) {
    std::string damaged = pem;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x15);
    (void)inspect(damaged, now);
    (void)inspect(pem.substr(0, i), now);
  }
}

}  // namespace
}  // namespace pgcertd::x509
