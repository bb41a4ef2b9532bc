#include "ca/issuing_ca.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ca/crl_times.hpp"
#include "core/trust.hpp"
#include "unit/support/test_ca.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {
namespace {

using namespace pgcertd::test;
using ::testing::HasSubstr;

IssuingCa open(const TestCa& ca, const std::string& crl_url = {}) {
  auto opened = IssuingCa::open(ca.issuing, nullptr, days{30}, crl_url);
  EXPECT_TRUE(opened) << opened.error().text();
  return std::move(opened).value();
}

x509::Certificate leaf_of(const Issued& issued) { return x509::parse_certificates(issued.chain_pem, "chain").value().front(); }

TEST(IssuingCa, IssuesWhatOpensslVerifiesStrictly) {
  TestCa ca;
  IssuingCa issuing = open(ca, "http://db1.example.org:9847/pki/local.crl");
  TestRequest request;
  const auto issued = issuing.issue(request.request, start);
  ASSERT_TRUE(issued) << issued.error().text();
  EXPECT_TRUE(openssl_verifies(*issued, start));
  EXPECT_FALSE(issued->crl_pem.empty());
  EXPECT_EQ(issued->issued_at, start);
  EXPECT_EQ(x509::parse_certificates(issued->chain_pem, "chain").value().size(), 2U) << "leaf and issuing CA, no root";
  EXPECT_EQ(x509::parse_crls(issued->crl_pem, "crl").value().size(), 2U);
  const CertFacts facts = leaf_of(*issued).facts();
  EXPECT_EQ(facts.names, request.request.names);
  EXPECT_EQ(facts.not_after, start + days{90});
  EXPECT_EQ(facts.spki_sha256, request.request.spki_sha256);
  EXPECT_TRUE(facts.server_auth);
  EXPECT_FALSE(facts.client_auth);
  EXPECT_FALSE(facts.is_ca);
  EXPECT_EQ(store::Registry::open(ca.in_issuing("registry.db"))->find(facts.serial).value()->der, leaf_of(*issued).der());
}

TEST(IssuingCa, AskingAgainFindsTheSameCertificate) {
  TestCa ca;
  TestRequest request;
  std::string first;
  {
    IssuingCa issuing = open(ca);
    EXPECT_FALSE(issuing.find(request.request.spki_sha256, start).value());
    first = issuing.issue(request.request, start).value().chain_pem;
    EXPECT_EQ(issuing.issue(request.request, start + days{3}).value().chain_pem, first);
    EXPECT_EQ(issuing.counts()->issued, 1U);
  }
  IssuingCa issuing = open(ca);
  const auto found = issuing.find(request.request.spki_sha256, start + days{5}).value();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->chain_pem, first);
  EXPECT_EQ(found->issued_at, start);
  TestRequest longer;
  longer.request = request.request;
  longer.request.lifetime = days{30};
  EXPECT_NE(issuing.issue(longer.request, start).value().chain_pem, first) << "another profile";
  EXPECT_NE(issuing.issue(request.request, start + days{91}).value().chain_pem, first) << "the first has ended";
}

// kill -9 after the serial was recorded and before anything was signed.
TEST(IssuingCa, ASerialWithoutACertificateIsNotFoundAgain) {
  TestCa ca;
  TestRequest request;
  {
    ASSERT_TRUE(
        store::Registry::open(ca.in_issuing("registry.db"))->record_serial("40aa", request.request.spki_sha256, "server", start));
  }
  IssuingCa issuing = open(ca);
  EXPECT_FALSE(issuing.find(request.request.spki_sha256, start).value());
  const auto issued = issuing.issue(request.request, start);
  ASSERT_TRUE(issued);
  EXPECT_NE(leaf_of(*issued).facts().serial, "40aa");
  EXPECT_EQ(issuing.counts()->issued, 1U);
}

TEST(IssuingCa, RefusesImpossibleRequests) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  struct Row {
    const char* what;
    void (*spoil)(LeafRequest&);
  };
  const Row rows[] = {
      {"no request", [](LeafRequest& r) { r.request_pem.clear(); }},
      {"garbage",
       [](LeafRequest& r) { r.request_pem = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"; }},
      {"somebody else's key", [](LeafRequest& r) { r.request_pem = TestRequest().request.request_pem; }},
      {"no names", [](LeafRequest& r) { r.names = {}; }},
      {"a name that is none", [](LeafRequest& r) { r.names.dns = {"DNS:evil, IP:1.2.3.4"}; }},
      {"an address that is none", [](LeafRequest& r) { r.names.ip = {"10.0.0.256"}; }},
      {"no life", [](LeafRequest& r) { r.lifetime = Duration{0}; }},
  };
  for (const Row& row : rows) {
    TestRequest request;
    row.spoil(request.request);
    EXPECT_FALSE(issuing.issue(request.request, start)) << row.what;
  }
  EXPECT_EQ(store::Registry::open(ca.in_issuing("registry.db"))->list()->size(), 0U);
}

TEST(IssuingCa, ClampsToItsChainAndRefusesOnlyWhatWouldNotOutlive) {
  TestCa ca(days{100});
  IssuingCa issuing = open(ca);
  const TimePoint end = start + days{100};
  const auto clamped = issuing.issue(TestRequest().request, start + days{50});
  ASSERT_TRUE(clamped) << clamped.error().text();
  EXPECT_EQ(leaf_of(*clamped).facts().not_after, end);
  EXPECT_TRUE(openssl_verifies(*clamped, start + days{50}));

  TestRequest renewal;
  renewal.request.outlive = end;
  const auto refused = issuing.issue(renewal.request, start + days{60});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::refused);
  EXPECT_THAT(refused.error().remedy, HasSubstr("pgcertctl request export"));
  renewal.request.outlive = end - seconds{1};
  EXPECT_TRUE(issuing.issue(renewal.request, start + days{60}));
  TestRequest shorter({{"a.example"}, {}}, days{1});
  shorter.request.outlive = start + days{80};
  EXPECT_TRUE(issuing.issue(shorter.request, start + days{60})) << "not clamped: the configuration asks for it";
}

TEST(IssuingCa, AnExpiredOneOpensAndSaysSo) {
  TestCa ca(days{100});
  IssuingCa issuing = open(ca);
  for (const TimePoint at : {start + days{100}, start - days{1}}) {
    EXPECT_FALSE(issuing.check_usable(at));
    const auto issued = issuing.issue(TestRequest().request, at);
    ASSERT_FALSE(issued);
    EXPECT_TRUE(issued.error().code != Errc::refused && issued.error().code != Errc::invalid) << "it may heal";
    EXPECT_NE(issued.error().remedy, "");
  }
  EXPECT_TRUE(issuing.check_usable(start + days{99}));
}

TEST(IssuingCa, OpeningTellsWhatIsWrong) {
  struct Row {
    const char* what;
    void (*spoil)(const TestCa&);
    const char* says;
  };
  const Row rows[] = {
      {"missing", [](const TestCa& ca) { std::filesystem::remove_all(ca.issuing); }, "No such file"},
      {"empty", [](const TestCa& ca) { std::filesystem::remove_all(ca.issuing), std::filesystem::create_directory(ca.issuing); },
       "no CA directory"},
      {"a file", [](const TestCa& ca) { std::filesystem::remove_all(ca.issuing), spit(ca.issuing, ""); }, "no directory"},
      {"the root's",
       [](const TestCa& ca) { std::filesystem::remove_all(ca.issuing), std::filesystem::rename(ca.root, ca.issuing); },
       "root's directory"},
      {"key of another",
       [](const TestCa& ca) { spit(ca.in_issuing("issuing.key"), std::string(TestRequest().key.to_pem().view())); },
       "do not belong together"},
      {"no key", [](const TestCa& ca) { std::filesystem::remove(ca.in_issuing("issuing.key")); }, "issuing.key"},
      {"garbage key", [](const TestCa& ca) { spit(ca.in_issuing("issuing.key"), "garbage"); }, "issuing.key"},
      {"certificate of another",
       [](const TestCa& ca) { spit(ca.in_issuing("issuing.crt"), slurp(TestCa().in_issuing("issuing.crt"))); }, "not signed by"},
      {"garbage certificate", [](const TestCa& ca) { spit(ca.in_issuing("issuing.crt"), "garbage"); }, "issuing.crt"},
      {"two certificates",
       [](const TestCa& ca) {
         spit(ca.in_issuing("issuing.crt"), slurp(ca.in_issuing("issuing.crt")) + slurp(ca.in_issuing("root.crt")));
       },
       "2 certificates"},
      {"another root", [](const TestCa& ca) { spit(ca.in_issuing("root.crt"), slurp(TestCa().in_issuing("root.crt"))); },
       "not signed by"},
      {"no root", [](const TestCa& ca) { std::filesystem::remove(ca.in_issuing("root.crt")); }, "root.crt"},
      {"no registry", [](const TestCa& ca) { std::filesystem::remove(ca.in_issuing("registry.db")); }, "registry.db"},
      {"truncated registry", [](const TestCa& ca) { std::filesystem::resize_file(ca.in_issuing("registry.db"), 5000); },
       "registry.db"},
      {"emptied registry", [](const TestCa& ca) { std::filesystem::resize_file(ca.in_issuing("registry.db"), 0); }, "registry.db"},
      {"a leaf in its place",
       [](const TestCa& ca) {
         const std::string chain = open(ca).issue(TestRequest().request, start).value().chain_pem;
         spit(ca.in_issuing("issuing.crt"), x509::parse_certificates(chain, "c").value().front().pem());
       },
       "no CA's certificate"},
  };
  for (const Row& row : rows) {
    TestCa ca;
    row.spoil(ca);
    const auto opened = IssuingCa::open(ca.issuing, nullptr, days{30}, "");
    ASSERT_FALSE(opened) << row.what;
    EXPECT_THAT(opened.error().text(), HasSubstr(row.says)) << row.what;
  }
}

TEST(IssuingCa, PassphraseRightWrongAndMissing) {
  ScratchDir dir;
  InitOptions options;
  options.root_dir = dir / "root";
  options.issuing_dir = dir / "issuing";
  options.root_without_passphrase = true;
  options.issuing_passphrase.emplace("right");
  ASSERT_TRUE(init_ca(options, start));
  const Secret right("right"), wrong("wrong"), empty("");
  const auto opened = [&](const Secret* passphrase) { return IssuingCa::open(dir / "issuing", passphrase, days{30}, ""); };
  EXPECT_TRUE(opened(&right));
  EXPECT_THAT(opened(&wrong).error().what, HasSubstr("passphrase is wrong"));
  EXPECT_THAT(opened(nullptr).error().what, HasSubstr("no passphrase is configured"));
  EXPECT_THAT(opened(&empty).error().what, HasSubstr("no passphrase is configured"));
  for (const auto& result : {opened(&wrong).error(), opened(nullptr).error()}) EXPECT_NE(result.remedy, "");
}

TEST(IssuingCa, CrlsAreSignedDailyWithRisingNumbersAndTimes) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  const auto first = issuing.current_crl(start).value();
  EXPECT_EQ(first.facts().number, "1") << "the ceremony's";
  EXPECT_EQ(issuing.current_crl(start + hours{23}).value().facts().number, "1");
  const auto second = issuing.current_crl(start + hours{24}).value();
  EXPECT_EQ(second.facts().number, "2");
  EXPECT_GT(second.facts().this_update, first.facts().this_update);
  EXPECT_EQ(second.facts().next_update, start + hours{24} + days{30});
  EXPECT_EQ(slurp(ca.in_issuing("issuing.crl")), second.pem());
  EXPECT_EQ(mode_of(ca.in_issuing("issuing.crl")), 0644);

  std::filesystem::remove(ca.in_issuing("issuing.crl"));
  EXPECT_EQ(issuing.current_crl(start + hours{25}).value().facts().number, "3") << "the registry remembers";
  EXPECT_TRUE(std::filesystem::exists(ca.in_issuing("issuing.crl")));
}

TEST(IssuingCa, RevokingPublishesAtOnceEvenTwiceInASecond) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  TestRequest a, b;
  const auto first = issuing.issue(a.request, start).value(), second = issuing.issue(b.request, start).value();
  const std::string serial_a = leaf_of(first).facts().serial, serial_b = leaf_of(second).facts().serial;
  EXPECT_EQ(issuing.revoke("00ff", "superseded", start).error().code, Errc::not_found);
  EXPECT_EQ(issuing.revoke(serial_a, "certificateHold", start).error().code, Errc::invalid);
  ASSERT_TRUE(issuing.revoke(serial_a, "keyCompromise", start));
  const auto one = issuing.published_crl().value();
  ASSERT_TRUE(issuing.revoke(serial_b, "", start));
  const auto two = issuing.published_crl().value();
  EXPECT_TRUE(two->contains(serial_a) && two->contains(serial_b));
  EXPECT_EQ(one->facts().revoked, 1U);
  EXPECT_GE(two->facts().this_update, one->facts().this_update + seconds{1});
  EXPECT_LE(two->facts().this_update, start) << "valid from its first moment";
  EXPECT_EQ(two->facts().number, "3");

  EXPECT_EQ(issuing.issue(a.request, start).error().code, Errc::refused) << "a revoked key gets nothing";
  Issued with_newest = first;
  with_newest.crl_pem = issuing.issue(TestRequest().request, start).value().crl_pem;
  EXPECT_FALSE(openssl_verifies(with_newest, start));
}

// kill -9 between the registry and the publishing.
TEST(IssuingCa, ARevocationThatWasNotPublishedIsPublishedNext) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  const std::string serial = leaf_of(issuing.issue(TestRequest().request, start).value()).facts().serial;
  { ASSERT_TRUE(store::Registry::open(ca.in_issuing("registry.db"))->revoke(serial, "", start)); }
  EXPECT_TRUE(issuing.current_crl(start).value().contains(serial));
}

TEST(IssuingCa, ARestoredRegistryNeverUnrevokes) {
  TestCa ca;
  const std::string backup = ca.dir / "backup.db";
  std::filesystem::copy_file(ca.in_issuing("registry.db"), backup);
  std::string published;
  {
    IssuingCa issuing = open(ca);
    const std::string serial = leaf_of(issuing.issue(TestRequest().request, start).value()).facts().serial;
    ASSERT_TRUE(issuing.revoke(serial, "keyCompromise", start));
    published = slurp(ca.in_issuing("issuing.crl"));
  }
  std::filesystem::rename(backup, ca.in_issuing("registry.db"));
  IssuingCa issuing = open(ca);
  const auto crl = issuing.current_crl(start + days{2});
  ASSERT_FALSE(crl);
  EXPECT_THAT(crl.error().what, HasSubstr("un-revoke"));
  EXPECT_THAT(crl.error().remedy, HasSubstr("backup"));
  EXPECT_EQ(slurp(ca.in_issuing("issuing.crl")), published);
  // Leaves are issued all the same, with the CRL that is still good.
  const auto issued = issuing.issue(TestRequest().request, start + days{2});
  ASSERT_TRUE(issued);
  EXPECT_THAT(issued->crl_pem, HasSubstr(published));
  // And once that has ended, with none rather than with half a set.
  EXPECT_EQ(issuing.issue(TestRequest().request, start + days{31}).value().crl_pem, "");
}

TEST(IssuingCa, AnEntryLeavesTheCrlAfterItsCertificateEnded) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  TestRequest request({{"a.example"}, {}}, days{10});
  const std::string serial = leaf_of(issuing.issue(request.request, start).value()).facts().serial;
  ASSERT_TRUE(issuing.revoke(serial, "", start));
  EXPECT_TRUE(issuing.current_crl(start + days{11}).value().contains(serial)) << "one CRL after its end carries it";
  EXPECT_FALSE(issuing.current_crl(start + days{13}).value().contains(serial));
}

TEST(IssuingCa, AClockThatWentBackSignsNoCrlOfTheFuture) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  ASSERT_TRUE(issuing.current_crl(start + days{50}));
  const auto crl = issuing.current_crl(start + days{1});
  ASSERT_FALSE(crl);
  EXPECT_THAT(crl.error().remedy, HasSubstr("clock"));
  std::filesystem::remove(ca.in_issuing("issuing.crl"));
  EXPECT_EQ(issuing.current_crl(start + days{1}).value().facts().number, "3");
}

TEST(IssuingCa, TheCrlSetIsWholeOrEmpty) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  const std::string root_crl = slurp(ca.in_issuing("root.crl"));
  EXPECT_NE(issuing.issue(TestRequest().request, start).value().crl_pem, "");
  EXPECT_EQ(issuing.issue(TestRequest().request, start + days{396}).value().crl_pem, "") << "the root's has ended";
  for (const std::string& spoilt : {slurp(TestCa().in_issuing("root.crl")), std::string("garbage"), root_crl + root_crl}) {
    spit(ca.in_issuing("root.crl"), spoilt);
    EXPECT_EQ(issuing.issue(TestRequest().request, start).value().crl_pem, "");
  }
  std::filesystem::remove(ca.in_issuing("root.crl"));
  EXPECT_EQ(issuing.issue(TestRequest().request, start).value().crl_pem, "");
  spit(ca.in_issuing("root.crl"), root_crl);
  spit(ca.in_issuing("issuing.crl"), "garbage");
  EXPECT_THAT(issuing.current_crl(start).error().remedy, HasSubstr("backup"));
  EXPECT_EQ(issuing.issue(TestRequest().request, start).value().crl_pem, "");
}

TEST(IssuingCa, AFormerIssuingCasCrlAndLeavesAreNotItsOwn) {
  TestCa former, ca;
  TestRequest request;
  { ASSERT_TRUE(open(former).issue(request.request, start)); }
  std::filesystem::copy_file(former.in_issuing("issuing.crl"), ca.in_issuing("issuing.crl"),
                             std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(former.in_issuing("registry.db"), ca.in_issuing("registry.db"),
                             std::filesystem::copy_options::overwrite_existing);
  IssuingCa issuing = open(ca);
  EXPECT_FALSE(issuing.published_crl().value());
  EXPECT_FALSE(issuing.find(request.request.spki_sha256, start).value());
  const auto issued = issuing.issue(request.request, start);
  ASSERT_TRUE(issued);
  EXPECT_TRUE(openssl_verifies(*issued, start));
}

TEST(IssuingCa, AReadOnlyDirectoryIsAnErrorWithItsReason) {
  TestCa ca;
  ::chmod(ca.dir.path().c_str(), 0755);
  std::filesystem::permissions(ca.issuing, std::filesystem::perms(0555));
  for (const auto& entry : std::filesystem::directory_iterator(ca.issuing))
    std::filesystem::permissions(entry, std::filesystem::perms(0444));
  EXPECT_EQ(in_unprivileged_child([&] {
              const auto opened = IssuingCa::open(ca.issuing, nullptr, days{30}, "");
              return !opened && opened.error().code == Errc::read_only && !opened.error().remedy.empty() ? 0 : 1;
            }),
            0);
  std::filesystem::permissions(ca.issuing, std::filesystem::perms(0700));
}

struct TestClient {
  x509::PrivateKey key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  LeafRequest request;
  explicit TestClient(const std::string& role, Duration lifetime = days{30}) {
    request.role = role, request.spki_sha256 = key.spki_sha256(), request.lifetime = lifetime;
    request.request_pem = x509::make_client_request_pem(key, "somebody else").value();
  }
};

TEST(IssuingCa, GivesARoleACertificateForClientsAlone) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  TestClient alice("alice");
  const auto issued = issuing.issue(alice.request, start);
  ASSERT_TRUE(issued) << issued.error().text();
  const x509::Certificate leaf = leaf_of(*issued);
  EXPECT_EQ(leaf.facts().common_name, "alice") << "the request's own subject has no say";
  EXPECT_EQ(leaf.facts().names, Names{});
  EXPECT_TRUE(leaf.facts().client_auth);
  EXPECT_FALSE(leaf.facts().server_auth);
  EXPECT_FALSE(leaf.facts().is_ca);
  EXPECT_EQ(issuing.issue(alice.request, start + days{1})->chain_pem, issued->chain_pem);
  EXPECT_FALSE(issuing.issue(TestClient("").request, start)) << "no role, no names";
  EXPECT_FALSE(issuing.issue(TestClient(std::string(65, 'x')).request, start));
  EXPECT_TRUE(issuing.issue(TestClient("r\xc3\xb6le \"with\" spaces").request, start));
  ASSERT_TRUE(issuing.revoke(leaf.facts().serial, "keyCompromise", start + days{1}));
  auto clients = issuing.clients(start).value();
  ASSERT_EQ(clients.size(), 2U);
  EXPECT_EQ(clients.back(), (ClientCertSeen{"alice", leaf.facts().serial, leaf.facts().not_before, leaf.facts().not_after, true})) << "newest first";
  EXPECT_EQ(issuing.clients(start + days{36}).value().size(), 2U) << "over, and still told";
  EXPECT_TRUE(issuing.clients(start + days{38}).value().empty()) << "over";
}

bool accepted(const std::string& chain_pem, const std::vector<x509::Crl>& crls, const IssuingCa& ca, TimePoint at) {
  return x509::verify_chain(x509::parse_certificates(chain_pem, "chain").value(), {ca.root()}, x509::Purpose::client, at, crls).ok;
}

TEST(IssuingCa, EachCrlHasACanaryOfItsOwn) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  EXPECT_EQ(issuing.canaries(start), nullptr) << "nobody wants one";
  const std::string plain = issuing.current_crl(start)->facts().number;
  issuing.want_canaries();
  const auto first = issuing.crl_set(start).value();
  const auto canaries = issuing.canaries(start);
  ASSERT_NE(canaries, nullptr);
  EXPECT_NE(first.back().facts().number, plain) << "the published one has none";
  EXPECT_EQ(canaries->crl_fingerprint, first.back().facts().fingerprint_sha256);
  EXPECT_TRUE(accepted(canaries->good.chain_pem, first, issuing, start));
  EXPECT_FALSE(accepted(canaries->revoked.chain_pem, first, issuing, start));
  EXPECT_EQ(issuing.current_crl(start + hours{1})->facts().number, first.back().facts().number) << "not a new one at each look";
  EXPECT_EQ(issuing.canaries(start + hours{1}), canaries);
  EXPECT_EQ(issuing.canaries(start + days{3}), nullptr) << "the good one is over";
  ASSERT_TRUE(issuing.renew_crl(start + hours{2}));
  const auto second = issuing.crl_set(start + hours{2}).value();
  const auto later = issuing.canaries(start + hours{2});
  EXPECT_TRUE(accepted(later->revoked.chain_pem, first, issuing, start + hours{2})) << "so that a server which has the older CRL is found out";
  EXPECT_FALSE(accepted(later->revoked.chain_pem, second, issuing, start + hours{2}));
  EXPECT_EQ(issuing.counts()->issued, 0U) << "they are nobody's";
  EXPECT_EQ(issuing.counts()->revoked, 0U);
  EXPECT_TRUE(issuing.clients(start).value().empty());
}

TEST(IssuingCa, APublishedCrlGivesARegistryItsRevocationsBack) {
  TestCa ca;
  const std::string registry = ca.in_issuing("registry.db"), older = ca.dir / "older.db";
  std::filesystem::copy_file(registry, older);
  std::string serial, published;
  {
    IssuingCa issuing = open(ca);
    serial = leaf_of(issuing.issue(TestRequest().request, start).value()).facts().serial;
    ASSERT_TRUE(issuing.revoke(serial, "keyCompromise", start + hours{2}));
    published = slurp(ca.in_issuing("issuing.crl"));
  }
  std::filesystem::copy_file(older, registry, std::filesystem::copy_options::overwrite_existing);
  std::filesystem::remove(ca.in_issuing("issuing.crl"));
  IssuingCa issuing = open(ca);
  EXPECT_FALSE(issuing.current_crl(start + hours{3})->contains(serial)) << "nothing is left of it here";
  EXPECT_FALSE(issuing.check_retired({serial}, start + hours{3})) << "but whoever has the published one is told";
  const auto taken = issuing.import_crls(published, start + hours{3});
  ASSERT_TRUE(taken) << taken.error().text();
  const auto after = issuing.current_crl(start + hours{3}).value();
  EXPECT_TRUE(after.contains(serial));
  EXPECT_EQ(x509::entries_of(after).front().reason, "keyCompromise");
  EXPECT_EQ(x509::entries_of(after).front().revoked_at, start + hours{2});
  EXPECT_EQ(crls_follow({x509::parse_crls(published, "published")->front().facts()}, {after.facts()}), "");
}

TEST(IssuingCa, OnlyARetiredEntryMayLeave) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  const std::string serial = leaf_of(issuing.issue(TestClient("alice", days{30}).request, start).value()).facts().serial;
  EXPECT_FALSE(issuing.check_retired({serial}, start)) << "it is not revoked at all";
  ASSERT_TRUE(issuing.revoke(serial, "superseded", start));
  EXPECT_FALSE(issuing.check_retired({serial}, start + days{31}));
  EXPECT_TRUE(issuing.check_retired({serial}, start + days{32}));
  EXPECT_FALSE(issuing.check_retired({serial, "00aa"}, start + days{32}));
}

TEST(IssuingCa, ImportTakesOnlyWhatFollows) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  const x509::Crl root = **issuing.root_crl();
  EXPECT_FALSE(issuing.import_crls("garbage", start));
  EXPECT_TRUE(issuing.import_crls(root.pem(), start)) << "the same once more changes nothing";
  EXPECT_FALSE(issuing.import_crls(root.pem(), *root.facts().next_update)) << "over";
  TestCa other;
  EXPECT_THAT(issuing.import_crls((*open(other).root_crl())->pem(), start).error().text(), HasSubstr("neither"));
}

// 200 revocations and a CRL of the root each quarter, judged by OpenSSL with CRL_CHECK_ALL as PostgreSQL does it: at each step no
// good client is refused and no revoked one let in, by the CRLs that are installed.
TEST(IssuingCa, AYearOfRevocations) {
  TestCa ca;
  IssuingCa issuing = open(ca);
  issuing.want_canaries();
  struct Client {
    std::string chain_pem, serial;
    TimePoint not_after;
    bool revoked = false;
  };
  std::vector<Client> clients;
  std::vector<CrlFacts> installed;
  std::size_t revoked = 0, judged = 0;
  for (int half_day = 0; half_day < 2 * 365; ++half_day) {
    const TimePoint now = start + hours{12} * half_day;
    if (half_day % 2 == 0) {
      TestClient made("role" + std::to_string(half_day));
      const auto issued = issuing.issue(made.request, now).value();
      clients.push_back({issued.chain_pem, leaf_of(issued).facts().serial, leaf_of(issued).facts().not_after});
    }
    if (half_day % 182 == 90) {
      const auto keys = x509::PrivateKey::parse(slurp(ca.root + "/root.key"), "root.key");
      ASSERT_TRUE(keys) << keys.error().text();
      const auto crl = x509::make_crl(*keys, issuing.root(), std::to_string(10 + half_day), now - hours{1}, now + days{396}, {});
      ASSERT_TRUE(issuing.import_crls(crl->pem(), now));
    }
    if (half_day % 7 < 2 && revoked < 200) {
      for (Client& client : clients)
        if (!client.revoked && now < client.not_after) {
          ASSERT_TRUE(issuing.revoke(client.serial, "superseded", now));
          client.revoked = true, ++revoked;
          break;
        }
    }
    const auto set = issuing.crl_set(now);
    ASSERT_TRUE(set) << set.error().text();
    std::vector<CrlFacts> facts;
    for (const x509::Crl& crl : *set) facts.push_back(crl.facts());
    EXPECT_EQ(crls_follow(installed, facts), "") << half_day;
    installed = facts;
    for (const Client& client : clients) {
      if (now >= client.not_after || half_day % 5 != 0) continue;
      ++judged;
      ASSERT_EQ(accepted(client.chain_pem, *set, issuing, now), !client.revoked) << half_day;
    }
    EXPECT_LT(set->back().facts().revoked, 80U) << "entries leave when their certificates are over";
  }
  EXPECT_EQ(revoked, 200U);
  std::cout << judged << " verdicts over a year\n";
}

}  // namespace
}  // namespace pgcertd::ca
