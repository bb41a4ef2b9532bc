// Covers lib/x509/verify.cpp, server_load.cpp and weakness.cpp.
#include "x509/verify.hpp"

#include <gmock/gmock.h>

#include <functional>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;

struct Foreign {
  Certificate certificate;
  Secret key;
};

// What pgcertd itself would not make.
Foreign foreign(const Workspace& work, const std::string& options) {
  work.put("i.crt", pki().issuing.certificate.pem());
  work.put("i.key", pki().issuing.key.to_pem().view());
  work.openssl("req -new -nodes -keyout f.key -out f.csr -subj /CN=foreign " + options.substr(0, options.find('|')));
  work.openssl("x509 -req -in f.csr -CA i.crt -CAkey i.key -CAcreateserial -days 3650 -out f.crt " + options.substr(options.find('|') + 1));
  return {must(parse_certificates(work.get("f.crt"), "f.crt")).front(), Secret(work.get("f.key"))};
}

TEST(VerifyChain, Matrix) {
  const Pki& p = pki();
  const Authority other = make_root_authority("Other Root");
  const Authority namesake = make_root_authority("Test Root");
  const Authority short_lived = make_issuing_authority(p.root, "Short", {.not_before = now - 2 * day, .not_after = now + day});
  const std::string request = must(make_request_pem(p.key, {.dns = {"a"}, .ip = {}}));
  const Certificate nested = must(sign_leaf(short_lived.key, short_lived.certificate, request,
                                            {.serial = serial(), .names = {.dns = {"a"}, .ip = {}}, .validity = {.not_before = now - 2 * day, .not_after = now + day}, .crl_url = "", .client_auth = false}));
  const Certificate client_only = must(parse_certificates(p.leaf({.client_auth = true}).pem(), "c")).front();
  struct Case {
    const char* what;
    std::vector<Certificate> chain, roots;
    Purpose purpose;
    TimePoint at;
    bool ok, incomplete;
    const char* error;
  };
  const std::vector<Case> cases{
      {"good", p.chain(), p.roots(), Purpose::server, now, true, false, ""},
      {"root among the served", {p.leaf(), p.issuing.certificate, p.root.certificate}, p.roots(), Purpose::server, now, true, false, ""},
      {"any order behind the leaf", {p.leaf(), p.root.certificate, p.issuing.certificate}, p.roots(), Purpose::server, now, true, false, ""},
      {"one of two roots", p.chain(), {other.certificate, p.root.certificate}, Purpose::server, now, true, false, ""},
      {"old and new root of one name", p.chain(), {namesake.certificate, p.root.certificate}, Purpose::server, now, true, false, ""},
      {"missing intermediate", {p.leaf()}, p.roots(), Purpose::server, now, false, true, "unable to get local issuer"},
      {"missing root", p.chain(), {other.certificate}, Purpose::server, now, false, true, "unable to get"},
      {"foreign root is served along", {p.leaf(), p.issuing.certificate, p.root.certificate}, {other.certificate}, Purpose::server, now, false, false, "self-signed certificate in"},
      {"root of the same name", p.chain(), {namesake.certificate}, Purpose::server, now, false, true, ""},
      {"an intermediate is no anchor", p.chain(), {p.issuing.certificate}, Purpose::server, now, false, true, "unable to get issuer"},
      {"expired", p.chain(), p.roots(), Purpose::server, now + 91 * day, false, false, "expired"},
      {"future", p.chain(), p.roots(), Purpose::server, now - std::chrono::hours{2}, false, false, "not yet valid"},
      {"expired intermediate", {nested, short_lived.certificate}, p.roots(), Purpose::server, now + 2 * day, false, false, "expired"},
      {"server's as a client's", p.chain(), p.roots(), Purpose::client, now, false, false, "purpose"},
      {"both purposes", {client_only, p.issuing.certificate}, p.roots(), Purpose::client, now, true, false, ""},
      {"any purpose", p.chain(), p.roots(), Purpose::any, now, true, false, ""},
      {"a leaf as issuer", {p.leaf(), p.leaf()}, p.roots(), Purpose::server, now, false, true, ""},
      {"no chain", {}, p.roots(), Purpose::server, now, false, false, "no certificate"},
      {"no root", p.chain(), {}, Purpose::server, now, false, false, "no root"},
  };
  for (const Case& c : cases) {
    const ChainVerdict verdict = verify_chain(c.chain, c.roots, c.purpose, c.at);
    EXPECT_EQ(verdict.ok, c.ok) << c.what << ": " << verdict.error;
    EXPECT_EQ(verdict.incomplete, c.incomplete) << c.what << ": " << verdict.error;
    EXPECT_THAT(verdict.error, HasSubstr(c.error)) << c.what;
    EXPECT_EQ(verdict.error.empty(), c.ok) << c.what;
  }
}

TEST(VerifyChain, NotAfterIsTheEarliestEndOfThePath) {
  const Authority root = make_root_authority("R", {.not_before = now - day, .not_after = now + 20 * day});
  const Authority issuing = make_issuing_authority(root, "I", {.not_before = now - day, .not_after = now + 15 * day});
  const std::string request = must(make_request_pem(pki().key, {.dns = {"a"}, .ip = {}}));
  const auto leaf = [&](Duration end) {
    return must(sign_leaf(issuing.key, issuing.certificate, request,
                          {.serial = serial(), .names = {.dns = {"a"}, .ip = {}}, .validity = {.not_before = now - day, .not_after = now + end}, .crl_url = "", .client_auth = false}));
  };
  EXPECT_EQ(verify_chain({leaf(10 * day), issuing.certificate}, {root.certificate}, Purpose::server, now).not_after, now + 10 * day);
  EXPECT_EQ(verify_chain({leaf(15 * day), issuing.certificate}, {root.certificate}, Purpose::server, now).not_after, now + 15 * day);
  EXPECT_EQ(verify_chain({root.certificate}, {root.certificate}, Purpose::any, now).not_after, now + 20 * day);
  // 1970 to 9999 without a wrap.
  const Certificate forever = must(make_root(pki().key, "F", serial(), {.not_before = now, .not_after = no_expiry}));
  EXPECT_EQ(verify_chain({forever}, {forever}, Purpose::any, no_expiry - day).not_after, no_expiry);
}

TEST(VerifyChain, AClientAuthCertificateIsNoServers) {
  const Workspace work;
  work.put("ext", "extendedKeyUsage=clientAuth\n");
  const Foreign client = foreign(work, "-newkey ec -pkeyopt ec_paramgen_curve:P-256|-extfile ext");
  const auto at = client.certificate.facts().not_before + day;
  EXPECT_FALSE(client.certificate.facts().server_auth);
  const std::vector<Certificate> chain{client.certificate, pki().issuing.certificate};
  EXPECT_FALSE(verify_chain(chain, pki().roots(), Purpose::server, at).ok);
  EXPECT_TRUE(verify_chain(chain, pki().roots(), Purpose::client, at).ok);
}

TEST(VerifyChain, JudgesAtSecurityLevelTwo) {
  const Workspace work;
  const Foreign weak = foreign(work, "-newkey rsa:1024|-sha256");
  const auto at = weak.certificate.facts().not_before + day;
  EXPECT_THAT(verify_chain({weak.certificate, pki().issuing.certificate}, pki().roots(), Purpose::server, at).error, HasSubstr("key too weak"));
}

TEST(VerifyChain, CrlMatrix) {
  const Pki& p = pki();
  const Certificate leaf = p.leaf();
  const std::vector<Certificate> chain{leaf, p.issuing.certificate};
  const auto crl = [&](const Authority& ca, std::vector<RevokedEntry> revoked = {}, Duration start = -day, Duration end = 30 * day) {
    return must(make_crl(ca.key, ca.certificate, "1", now + start, now + end, revoked));
  };
  const RevokedEntry the_leaf{.serial = leaf.facts().serial, .revoked_at = now - day, .reason = "keyCompromise"};
  const RevokedEntry the_ca{.serial = p.issuing.certificate.facts().serial, .revoked_at = now - day, .reason = ""};
  const Authority other = make_root_authority("Other");
  struct Case { const char* what; std::vector<Crl> crls; const char* error; };
  for (const Case& c : {Case{"both, clean", {crl(p.root), crl(p.issuing)}, ""},
                        Case{"leaf revoked", {crl(p.root), crl(p.issuing, {the_leaf})}, "revoked"},
                        Case{"issuing CA revoked", {crl(p.root, {the_ca}), crl(p.issuing)}, "revoked"},
                        Case{"the root's is missing", {crl(p.issuing)}, "unable to get certificate CRL"},
                        Case{"the issuing CA's is missing", {crl(p.root)}, "unable to get certificate CRL"},
                        Case{"another CA's", {crl(other)}, "unable to get certificate CRL"},
                        Case{"expired", {crl(p.root), crl(p.issuing, {}, -3 * day, -2 * day)}, "CRL has expired"},
                        Case{"future", {crl(p.root), crl(p.issuing, {}, day)}, "CRL is not yet valid"},
                        Case{"the newer one counts", {crl(p.root), crl(p.issuing, {the_leaf}, -2 * day), crl(p.issuing, {}, -day)}, ""},
                        Case{"the newer one revokes", {crl(p.root), crl(p.issuing, {}, -2 * day), crl(p.issuing, {the_leaf}, -day)}, "revoked"}}) {
    const ChainVerdict verdict = verify_chain(chain, p.roots(), Purpose::server, now, c.crls);
    EXPECT_EQ(verdict.ok, *c.error == '\0') << c.what << ": " << verdict.error;
    EXPECT_THAT(verdict.error, HasSubstr(c.error)) << c.what;
  }
}

// What was good before must not be good for longer than it is, nor of anything else.
TEST(VerifyChain, ItsMemoryIsOfThatTimeAndThoseAlone) {
  const Pki& p = pki();
  const Authority other = make_root_authority("Another Root");
  const auto chain = p.chain();
  const auto crl = [&](const Authority& ca, std::vector<RevokedEntry> revoked, Duration start, Duration end) { return must(make_crl(ca.key, ca.certificate, "1", now + start, now + end, revoked)); };
  const RevokedEntry the_leaf{.serial = chain.front().facts().serial, .revoked_at = now - day, .reason = "keyCompromise"};
  const std::vector<Crl> clean{crl(p.root, {}, -2 * day, 30 * day), crl(p.issuing, {}, -2 * day, 3 * day)};
  const std::vector<Crl> revoking{clean[0], crl(p.issuing, {the_leaf}, -2 * day, 3 * day)};
  const std::vector<Crl> revoked_tomorrow{clean[0], clean[1], crl(p.issuing, {the_leaf}, day, 30 * day)};
  const auto says = [&](Purpose purpose, TimePoint at, const std::vector<Crl>& crls, const std::vector<Certificate>& roots) { return verify_chain(chain, roots, purpose, at, crls).ok; };
  for (int again = 0; again < 2; ++again) {
    SCOPED_TRACE(again);
    EXPECT_TRUE(says(Purpose::server, now, {}, p.roots()));
    EXPECT_EQ(verify_chain(chain, p.roots(), Purpose::server, now).not_after, chain.front().facts().not_after);
    EXPECT_FALSE(says(Purpose::client, now, {}, p.roots()));
    EXPECT_FALSE(says(Purpose::server, now, {}, {other.certificate}));
    EXPECT_FALSE(says(Purpose::server, now - 2 * day, {}, p.roots()));
    EXPECT_FALSE(says(Purpose::server, now + 91 * day, {}, p.roots()));
    EXPECT_TRUE(says(Purpose::server, now, clean, p.roots()));
    EXPECT_FALSE(says(Purpose::server, now + 4 * day, clean, p.roots())) << "the issuing CA's CRL has ended";
    EXPECT_FALSE(says(Purpose::server, now, revoking, p.roots()));
    EXPECT_TRUE(says(Purpose::server, now, revoked_tomorrow, p.roots()));
    EXPECT_FALSE(says(Purpose::server, now + 2 * day, revoked_tomorrow, p.roots())) << "a CRL that begins later counts then";
  }
}

TEST(LoadsAsServer, TextsArePostgresOwn) {
  const Workspace work;
  const Pki& p = pki();
  const std::string leaf = p.leaf().pem(), issuing = p.issuing.certificate.pem(), key(p.key.to_pem().view());
  const Secret passphrase("x");
  const std::string sealed(must(p.key.to_encrypted_pem(passphrase)).view());
  const Foreign sha1 = foreign(work, "-newkey rsa:2048|-sha1");
  const Foreign small = foreign(work, "-newkey rsa:1024|-sha256");
  struct Case { const char* what; std::string chain, key; const char* error; };
  for (const Case& c : {Case{"good", leaf + issuing, key, ""}, Case{"alone", leaf, key, ""}, Case{"no certificate", "", key, "no start line"},
                        Case{"truncated", leaf.substr(0, leaf.size() - 30), key, "bad end line"}, Case{"DER", p.leaf().der(), key, "no start line"},
                        Case{"intermediate first", issuing + leaf, key, "key values mismatch"}, Case{"another key", leaf, std::string(make_key().to_pem().view()), "key values mismatch"},
                        Case{"another type of key", leaf, std::string(make_key(KeyType::ed25519).to_pem().view()), ""},
                        Case{"empty key", leaf, "", "unsupported"}, Case{"garbage key", leaf, "garbage", "unsupported"},
                        Case{"encrypted key", leaf, sealed, "requires a passphrase"}, Case{"SHA-1", sha1.certificate.pem(), std::string(sha1.key.view()), "ca md too weak"},
                        Case{"RSA-1024", small.certificate.pem(), std::string(small.key.view()), "ee key too small"},
                        Case{"weak in the chain", leaf + sha1.certificate.pem(), key, "ca md too weak"},
                        Case{"broken second block", leaf + issuing.substr(0, 300), key, "bad end line"}}) {
    const auto loaded = loads_as_server(c.chain, Secret(c.key));
    const bool good = *c.error == '\0' && std::string_view(c.what) != "another type of key";
    ASSERT_EQ(loaded.has_value(), good) << c.what << (loaded ? "" : loaded.error().text());
    if (!loaded) { EXPECT_THAT(loaded.error().text(), HasSubstr(c.error)) << c.what; }
  }
}

TEST(LoadsAsServer, ExpiryIsNotItsBusiness) {
  const Pki& p = pki();
  const Certificate old = p.leaf({.validity = {.not_before = now - std::chrono::hours{2}, .not_after = now - std::chrono::hours{1}}});
  EXPECT_TRUE(loads_as_server(old.pem(), p.key.to_pem()));
}

TEST(Weakness, Table) {
  const Workspace work;
  EXPECT_EQ(weakness(pki().chain()), "");
  EXPECT_EQ(weakness({pki().root.certificate}), "");
  struct Case { const char* options; const char* why; };
  for (const Case& c : {Case{"-newkey rsa:1024|-sha256", "rsa-1024"}, Case{"-newkey rsa:2048|-sha1", "sha1"}, Case{"-newkey rsa:2048|-sha256", ""},
                        Case{"-newkey ec -pkeyopt ec_paramgen_curve:secp256k1|-sha256", "secp256k1"}, Case{"-newkey ec -pkeyopt ec_paramgen_curve:P-521|-sha512", ""},
                        Case{"-newkey ed25519|-sha256", ""}}) {
    const Foreign made = foreign(work, c.options);
    const std::string why = weakness({made.certificate, pki().issuing.certificate});
    EXPECT_EQ(why.empty(), *c.why == '\0') << c.options << why;
    EXPECT_THAT(why, HasSubstr(c.why));
    EXPECT_EQ(weakness({pki().leaf(), made.certificate}).empty(), *c.why == '\0') << c.options;   // anywhere in the chain
  }
  work.openssl("req -x509 -newkey ed25519 -nodes -keyout e.key -out e.crt -days 30 -subj /CN=e");
  EXPECT_THAT(weakness(must(parse_certificates(work.get("e.crt"), "e"))), HasSubstr("channel binding"));
  work.openssl("req -x509 -newkey rsa:2048 -sha1 -nodes -keyout s.key -out s.crt -days 30 -subj /CN=s");
  EXPECT_EQ(weakness(must(parse_certificates(work.get("s.crt"), "s"))), "");   // nobody checks a root's own signature
}

}  // namespace
}  // namespace pgcertd::x509
