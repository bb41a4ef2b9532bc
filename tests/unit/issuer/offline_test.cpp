// Covers lib/issuer/offline_issuer.cpp and offline_import.cpp; and three years of a root that is brought out for visits only: what is
// carried between the three directories is bytes, the clock is injected, and OpenSSL judges every other day.
#include "issuer/offline_issuer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ca/root_ca.hpp"
#include "core/runway.hpp"
#include "issuer/local_issuer.hpp"
#include "unit/support/test_ca.hpp"
#include "x509/bundle.hpp"
#include "x509/signed_request.hpp"
#include "x509/verify.hpp"

namespace pgcertd::issuer::offline_tests {
namespace {

using namespace pgcertd::test;
using ::testing::HasSubstr;

// The root's machine, and a host whose issuer knows its certificate alone.
struct Stage {
  TestCa ca;
  std::set<std::string> keys;                 // that wait on the host
  OfflineIssuer host{config(), ca.dir / "book.db", [this](const std::string& spki) { return keys.contains(spki); }};

  IssuerConfig config() const {
    std::filesystem::copy_file(ca.root + "/root.crt", ca.dir / "pinned.crt", std::filesystem::copy_options::overwrite_existing);
    IssuerConfig out;
    out.name = "local";
    out.type = IssuerType::offline;
    out.root_certificate = ca.dir / "pinned.crt";
    return out;
  }
  ca::RootCa root(TimePoint now) const { return std::move(ca::RootCa::open(ca.root, nullptr, now)).value(); }
  IssuerAnswer submit(const TestRequest& one, TimePoint now) {
    keys.insert(one.request.spki_sha256);
    return host.submit(one.request, now);
  }
  // One visit: everything that waits is signed, with a new CRL.
  std::string visit(TimePoint now, std::optional<Duration> life = {}, std::optional<Names> names = {}) {
    ca::RootCa at = root(now);
    std::string out;
    const auto waiting = host.requests(now);
    for (const RequestFile& one : *waiting) {
      const auto facts = x509::parse_request(one.text, "request").value();
      const auto made = at.sign(one.text, {.profile = SigningProfile::server, .common_name = {}, .names = names.value_or(facts.names), .lifetime = life.value_or(days{90})}, now);
      EXPECT_TRUE(made) << made.error().text();
      out += made->pem();
    }
    return out + at.certificate().pem() + at.renew_crl(days{396}, now)->pem();
  }
  std::string refusal(const std::string& bytes, TimePoint now) {
    const auto before = host.observe(now);
    const auto done = host.import_answer(bytes, now);
    EXPECT_FALSE(done) << *done;
    const auto after = host.observe(now);
    EXPECT_TRUE(before.requests == after.requests && before.crl_set == after.crl_set && before.issued == after.issued) << "no trace";
    return done ? std::string() : done.error().text();
  }
};

TEST(OfflineIssuer, ARequestWaitsUntilItsAnswerIsBrought) {
  Stage s;
  const TestRequest one;
  EXPECT_TRUE(std::holds_alternative<Unknown>(s.host.lookup(one.request.spki_sha256, start)));
  const IssuerAnswer asked = s.submit(one, start);
  ASSERT_TRUE(std::holds_alternative<Pending>(asked)) << std::get<Refused>(asked).why.text();
  const IssuerAnswer again = s.submit(one, start + days{3});
  EXPECT_EQ(std::get<Pending>(again).since, start) << "its age counts from the first time";
  const IssuerSeen seen = s.host.observe(start + days{3});
  EXPECT_TRUE(seen.available && !seen.key_available);
  ASSERT_EQ(seen.requests.size(), 1U);
  EXPECT_EQ(seen.requests.front().cluster, "main");
  EXPECT_THAT(seen.crl_set_why, HasSubstr("no CRL of the root"));
  const auto done = s.host.import_answer(s.visit(start + days{4}), start + days{4});
  ASSERT_TRUE(done) << done.error().text();
  const IssuerAnswer answer = s.host.lookup(one.request.spki_sha256, start + days{4});
  ASSERT_TRUE(std::holds_alternative<Issued>(answer));
  EXPECT_TRUE(openssl_verifies(std::get<Issued>(answer), start + days{4}));
  EXPECT_TRUE(s.host.observe(start + days{4}).requests.empty());
  EXPECT_EQ(s.host.observe(start + days{4}).crl_set.size(), 1U);
}

TEST(OfflineIssuer, RefusesWhatWasNotAskedFor) {
  Stage s, other;
  const TestRequest one, far;
  (void)s.submit(one, start);
  (void)other.submit(far, start);
  EXPECT_THAT(s.refusal(other.visit(start), start), HasSubstr("answers a request of this host"));
  EXPECT_THAT(s.refusal(s.visit(start, days{300}), start), HasSubstr("asked for were 90d"));
  EXPECT_THAT(s.refusal(s.visit(start, {}, Names{{"db1.example.org", "db9.example.org"}, {"10.0.0.5"}}), start), HasSubstr("asked for were"));
  const std::string good = s.visit(start + hours{1});
  for (const std::size_t size : {std::size_t{20}, std::size_t{300}, good.size() - 30}) EXPECT_NE(s.refusal(good.substr(0, size), start + hours{1}), "");
  EXPECT_NE(s.refusal(x509::bundle_head(3) + good.substr(0, good.find("-----END CERTIFICATE-----") + 26), start + hours{1}), "") << "cut between two objects";
  EXPECT_THAT(s.refusal("", start), HasSubstr("neither"));
  EXPECT_THAT(s.refusal(good, start - days{2}), HasSubstr("begins only at")) << "the host's clock stands behind";
  s.keys.clear();
  EXPECT_THAT(s.refusal(good, start + hours{1}), HasSubstr("its key is gone"));
}

TEST(OfflineIssuer, KnowsAnOldBundle) {
  Stage s;
  const TestRequest first, second;
  (void)s.submit(first, start);
  const std::string old = s.visit(start), signed_twice = s.visit(start + hours{1});
  ASSERT_TRUE(s.host.import_answer(old, start + hours{1}));
  EXPECT_THAT(s.host.import_answer(old, start + hours{1}).value(), HasSubstr("in force already"));
  EXPECT_THAT(s.refusal(signed_twice, start + hours{2}), HasSubstr("old one"));
  (void)s.submit(second, start + days{60});
  EXPECT_THAT(s.host.import_answer(old, start + days{60}).value(), HasSubstr("in force already"));
  EXPECT_TRUE(std::holds_alternative<Pending>(s.host.lookup(second.request.spki_sha256, start + days{60})));
  ASSERT_TRUE(s.host.import_answer(s.visit(start + days{61}), start + days{61}));
  EXPECT_THAT(s.refusal(old, start + days{62}), HasSubstr("old one"));
  const auto crl_number = s.host.observe(start + days{62}).root_crl->number;
  const auto bundle = x509::parse_bundle(old, "old").value();
  EXPECT_THAT(s.refusal(bundle.crls.front().pem(), start + days{62}), HasSubstr("is not taken")) << "an older CRL alone";
  EXPECT_EQ(s.host.observe(start + days{62}).root_crl->number, crl_number);
}

TEST(OfflineIssuer, ARenewalIsVouchedForByTheCertificateInUse) {
  Stage s;
  const TestRequest first, next, stranger;
  (void)s.submit(first, start);
  ASSERT_TRUE(s.host.import_answer(s.visit(start), start));
  const IssuerAnswer answer = s.host.lookup(first.request.spki_sha256, start);
  const auto chain = x509::parse_certificates(std::get<Issued>(answer).chain_pem, "chain").value();
  const std::vector<x509::Certificate> roots{s.root(start).certificate()};
  const auto proof = x509::sign_request(next.request.request_pem, chain, first.key);
  ASSERT_TRUE(proof) << proof.error().text();
  const auto seen = x509::verify_request_proof(next.request.request_pem + *proof, "r", roots, start);
  ASSERT_TRUE(seen && *seen) << seen.error().text();
  EXPECT_EQ((*seen)->signer.serial, chain.front().facts().serial);
  EXPECT_FALSE(*x509::verify_request_proof(next.request.request_pem, "r", roots, start));
  const auto refusal = [&](const std::string& bytes, const std::vector<x509::Certificate>& under, TimePoint at) { return x509::verify_request_proof(bytes, "r", under, at).error().text(); };
  EXPECT_THAT(refusal(stranger.request.request_pem + *proof, roots, start), HasSubstr("another request"));
  EXPECT_THAT(refusal(next.request.request_pem + *proof, {Stage().root(start).certificate()}, start), HasSubstr("does not verify"));
  EXPECT_THAT(refusal(next.request.request_pem + *proof, roots, start + days{100}), HasSubstr("expired"));
  EXPECT_FALSE(x509::sign_request(next.request.request_pem, chain, stranger.key));
}

// Every other day of three years: what is served is good, so is every CRL, and the root is asked for when the runway says so.
TEST(ThreeYears, OfAnOfflineRootForItsServer) {
  Stage s;
  int leaves = 0, visits = 0;
  std::optional<TestRequest> waiting;
  std::optional<Issued> served;
  std::optional<CertFacts> leaf;
  const Duration life = days{365};
  for (TimePoint now = start; now < start + days{3 * 365}; now += days{2}) {
    const IssuerSeen seen = s.host.observe(now);
    const auto wanted_at = leaf ? std::optional(leaf->not_before + hours{1} + life * 2 / 3 - days{30}) : std::nullopt;
    if (!waiting && (!wanted_at || now >= *wanted_at)) {
      waiting.emplace(Names{{"db1.example.org"}, {}}, life);
      (void)s.submit(*waiting, now);
    }
    const Runway way = runway(seen, IssuerType::offline, leaf, wanted_at);
    // Whoever is asked comes two weeks later.
    if (waiting && (!way.needed_at || !leaf || now >= *way.needed_at + days{14})) {
      const auto done = s.host.import_answer(s.visit(now, life), now);
      ASSERT_TRUE(done) << done.error().text();
      ++visits;
    }
    if (waiting)
      if (const IssuerAnswer answer = s.host.lookup(waiting->request.spki_sha256, now); const auto* issued = std::get_if<Issued>(&answer)) {
        served = *issued;
        leaf = x509::parse_certificates(issued->chain_pem, "leaf")->front().facts();
        waiting.reset();
        ++leaves;
      }
    ASSERT_TRUE(served);
    const auto chain = x509::parse_certificates(served->chain_pem, "chain").value();
    const auto crls = x509::parse_crls(s.host.observe(now).crl_set_pem.str(), "crls");
    ASSERT_TRUE(crls) << to_rfc3339(now);
    ASSERT_TRUE(x509::verify_chain(chain, {s.root(now).certificate()}, x509::Purpose::server, now, *crls).ok) << to_rfc3339(now);
  }
  std::printf("three years: %d leaves, %d visits\n", leaves, visits);
  EXPECT_GE(leaves, 4) << "the first and three renewals";
  EXPECT_EQ(visits, leaves) << "no visit more than certificates";
}

TEST(ThreeYears, OfAnIssuingCaWhoseRootIsElsewhere) {
  TestCa ca(days{730});
  IssuerConfig config;
  config.name = "local";
  config.directory = ca.issuing;
  LocalIssuer host(config, [](const SecretSource&) -> Result<Secret> { return fail(Errc::not_found, "none"); });
  const auto away = [&](TimePoint now) { return std::move(ca::RootCa::open(ca.root, nullptr, now)).value(); };
  int renewals = 0, visits = 0, leaves = 0;
  std::optional<Issued> served;
  TimePoint issued_at = start;
  std::string ca_before = host.observe(start).issuing->fingerprint_sha256;
  for (TimePoint now = start; now < start + days{3 * 365}; now += days{2}) {
    const IssuerSeen seen = host.observe(now);
    if (!served || now >= issued_at + days{240}) {
      const IssuerAnswer answer = host.submit(TestRequest({{"db1.example.org"}, {}}, days{365}).request, now);
      ASSERT_TRUE(std::holds_alternative<Issued>(answer)) << std::get<Refused>(answer).why.text();
      served = std::get<Issued>(answer), issued_at = now, ++leaves;
    }
    const Runway way = runway(seen, IssuerType::local, std::nullopt);
    if (now >= *way.needed_at + days{7}) {
      ca::RootCa root = away(now);
      std::string back;
      if (!seen.requests.empty()) {
        const auto file = host.requests(now)->front();
        const auto made = root.sign(file.text, {.profile = SigningProfile::issuing, .common_name = seen.issuing->common_name, .names = {}, .lifetime = days{730}}, now);
        ASSERT_TRUE(made) << made.error().text();
        back = made->pem(), ++renewals;
      }
      const std::string crl = root.renew_crl(days{396}, now)->pem();
      const auto done = back.empty() ? host.import_crls(crl, now) : host.import_answer(back + root.certificate().pem() + crl, now);
      ASSERT_TRUE(done) << done.error().text();
      ++visits;
    }
    const auto chain = x509::parse_certificates(served->chain_pem, "chain").value();
    const auto crls = x509::parse_crls(host.observe(now).crl_set_pem.str(), "crls");
    ASSERT_TRUE(crls) << to_rfc3339(now) << ' ' << host.observe(now).crl_set_why;
    ASSERT_TRUE(x509::verify_chain(chain, {away(now).certificate()}, x509::Purpose::server, now, *crls).ok) << to_rfc3339(now);
  }
  EXPECT_NE(host.observe(start + days{3 * 365}).issuing->fingerprint_sha256, ca_before);
  std::printf("three years: %d leaves, %d issuing CAs, %d visits\n", leaves, renewals + 1, visits);
  EXPECT_GE(leaves, 4);
  EXPECT_GE(renewals, 1);
  EXPECT_GE(visits, 2) << "a root's CRL each";
  EXPECT_FALSE(std::filesystem::exists(ca.issuing + "/root.key"));
}

}  // namespace
}  // namespace pgcertd::issuer::offline_tests
