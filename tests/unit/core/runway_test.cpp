// Covers lib/core/runway.*
#include "core/runway.hpp"

#include <gtest/gtest.h>

namespace pgcertd {
namespace {

TimePoint day(int n) { return from_unix(1'700'000'000) + days{n}; }

CertFacts cert(int from, int to) {
  CertFacts facts;
  facts.not_before = day(from);
  facts.not_after = day(to);
  return facts;
}
CrlFacts crl(int from, std::optional<int> to) {
  CrlFacts facts;
  facts.this_update = day(from);
  if (to) facts.next_update = day(*to);
  return facts;
}
IssuerSeen issuer(std::optional<CertFacts> issuing, std::optional<CertFacts> root, std::optional<CrlFacts> root_crl) {
  IssuerSeen seen;
  seen.issuing = std::move(issuing);
  seen.root = std::move(root);
  seen.root_crl = std::move(root_crl);
  return seen;
}

struct Row {
  const char* name;
  IssuerSeen seen;
  IssuerType type;
  std::optional<CertFacts> leaf;
  Runway expected;
};

const Row rows[] = {
    {"the issuing CA ends first and is wanted at half its life",
     issuer(cert(0, 600), cert(0, 6000), crl(0, 900)),
     IssuerType::local,
     {},
     {day(600), day(300), RunwayLimit::issuing_ca}},
    {"the root's CRL ends first and is wanted in its last quarter",
     issuer(cert(0, 600), cert(0, 6000), crl(0, 400)),
     IssuerType::local,
     {},
     {day(400), day(300), RunwayLimit::root_crl}},
    {"the root ends first",
     issuer(cert(5000, 7000), cert(0, 6000), crl(5800, 6200)),
     IssuerType::local,
     {},
     {day(6000), day(3000), RunwayLimit::root_ca}},
    {"what ends first need not be what is wanted first",
     issuer(cert(0, 500), cert(0, 6000), crl(390, 430)),
     IssuerType::local,
     {},
     {day(430), day(250), RunwayLimit::root_crl}},
    {"a local issuer renews the leaf itself",
     issuer(cert(0, 600), cert(0, 6000), {}),
     IssuerType::local,
     cert(0, 90),
     {day(600), day(300), RunwayLimit::issuing_ca}},
    {"an offline issuer does not",
     issuer({}, cert(0, 6000), crl(0, 400)),
     IssuerType::offline,
     cert(0, 90),
     {day(90), day(45), RunwayLimit::leaf}},
    {"an offline issuer without a leaf",
     issuer({}, cert(0, 6000), crl(0, 400)),
     IssuerType::offline,
     {},
     {day(400), day(300), RunwayLimit::root_crl}},
    {"an offline leaf that outlives the root's CRL",
     issuer({}, cert(0, 6000), crl(0, 40)),
     IssuerType::offline,
     cert(0, 90),
     {day(40), day(30), RunwayLimit::root_crl}},
    {"self-signed: there is no root", issuer(cert(0, 1), cert(0, 1), crl(0, 1)), IssuerType::self_signed, cert(0, 1), {}},
    {"nothing is known", issuer({}, {}, {}), IssuerType::local, cert(0, 90), {}},
    {"a CRL without nextUpdate never ends", issuer({}, {}, crl(0, {})), IssuerType::local, {}, {}},
    {"of two equal ends the first is named",
     issuer(cert(0, 100), cert(0, 100), crl(0, 100)),
     IssuerType::local,
     {},
     {day(100), day(50), RunwayLimit::issuing_ca}},
};

TEST(Runway, IsTheEarliestEndAndTheEarliestWish) {
  for (const Row& row : rows) {
    const Runway seen = runway(row.seen, row.type, row.leaf);
    EXPECT_EQ(seen.ends_at, row.expected.ends_at) << row.name;
    EXPECT_EQ(seen.needed_at, row.expected.needed_at) << row.name;
    EXPECT_EQ(seen.limited_by, row.expected.limited_by) << row.name;
  }
}

TEST(Runway, ACertificateWithoutAnEndLimitsNothing) {
  CertFacts endless = cert(0, 0);
  endless.not_after = no_expiry;
  EXPECT_EQ(runway(issuer(endless, endless, {}), IssuerType::local, {}), Runway{});
  EXPECT_EQ(runway(issuer(cert(0, 10), endless, {}), IssuerType::local, {}).ends_at, day(10));
}

TEST(Runway, OfAnIssuerThatWasNeverSeenByWhatIsInstalled) {
  GenerationSeen installed;
  installed.chain = {cert(0, 90), cert(0, 365)};
  installed.roots = {cert(0, 5000)};
  installed.roots.front().subject = "CN=root";
  installed.crls = {crl(0, 7), crl(0, 200)};
  installed.crls.back().issuer = "CN=root";
  const auto of = [&](const IssuerSeen& seen) { return runway(as_installed(seen, &installed), IssuerType::local, {}); };
  EXPECT_EQ(of(IssuerSeen{}).ends_at, day(200));
  installed.crls.clear();
  EXPECT_EQ(of(IssuerSeen{}).ends_at, day(365));
  EXPECT_EQ(of(issuer(cert(0, 30), {}, {})).ends_at, day(30)) << "what is seen comes first";
  IssuerSeen available;
  available.available = true;
  EXPECT_FALSE(of(available).ends_at);
  installed.origin = Origin::adopted;
  EXPECT_FALSE(of(IssuerSeen{}).ends_at) << "somebody else's chain";
  EXPECT_FALSE(runway(as_installed(IssuerSeen{}, nullptr), IssuerType::local, {}).ends_at);
}

TEST(Runway, LimitsHaveTheNamesOfTheContract) {
  EXPECT_EQ(to_string(RunwayLimit::issuing_ca), "issuing_ca");
  EXPECT_EQ(to_string(RunwayLimit::root_ca), "root_ca");
  EXPECT_EQ(to_string(RunwayLimit::root_crl), "root_crl");
  EXPECT_EQ(to_string(RunwayLimit::leaf), "leaf");
}

}  // namespace
}  // namespace pgcertd
