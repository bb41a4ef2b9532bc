#include "store/registry.hpp"

#include <gtest/gtest.h>

#include "unit/support/scratch_dir.hpp"

namespace pgcertd::store {
namespace {

using test::ScratchDir;

TimePoint at(std::int64_t seconds) { return from_unix(seconds); }
const std::string der("\x30\x00\xff\x01", 4);

TEST(Registry, KeepsWhatWasSigned) {
  ScratchDir dir;
  const std::string path = dir / "registry.db";
  {
    auto registry = Registry::create(path);
    ASSERT_TRUE(registry) << registry.error().text();
    ASSERT_TRUE(registry->record_serial("0a", "spki", "server", at(1)));
    ASSERT_TRUE(registry->record_certificate("0a", der, at(100), at(2)));
    ASSERT_TRUE(registry->record_serial("0b", "spki", "server", at(3)));
    ASSERT_TRUE(registry->record_certificate("0b", der + "2", at(200), at(4)));
    EXPECT_EQ(test::mode_of(path), 0600);
  }
  EXPECT_EQ(Registry::create(path).error().code, Errc::exists);
  auto registry = Registry::open(path);
  ASSERT_TRUE(registry) << registry.error().text();
  const RegistryEntry first{.serial = "0a", .spki_sha256 = "spki", .profile = "server", .recorded_at = at(1), .der = der,
                            .issued_at = at(2), .not_after = at(100), .revoked_at = std::nullopt, .reason = ""};
  EXPECT_EQ(registry->find("0a").value(), first);
  EXPECT_EQ(registry->find("spki", "server").value()->serial, "0b") << "the newest";
  EXPECT_EQ(registry->find_by_spki("spki").value()->serial, "0b");
  EXPECT_FALSE(registry->find("spki", "client").value());
  EXPECT_FALSE(registry->find("0c").value());
  ASSERT_EQ(registry->list().value().size(), 2U);
  EXPECT_EQ(registry->list().value().front(), first);
  EXPECT_EQ(registry->counts().value().issued, 2U);
}

// A crash between recording and signing leaves a serial without a certificate: it is never found, and never used again.
TEST(Registry, ASerialWithoutItsCertificateIsNoCertificate) {
  ScratchDir dir;
  { ASSERT_TRUE(Registry::create(dir / "r.db")->record_serial("0a", "spki", "server", at(1))); }
  auto registry = Registry::open(dir / "r.db");
  ASSERT_TRUE(registry);
  EXPECT_FALSE(registry->find("spki", "server").value());
  EXPECT_FALSE(registry->find_by_spki("spki").value());
  EXPECT_EQ(registry->counts().value().issued, 0U);
  EXPECT_EQ(registry->list().value().size(), 1U);
  EXPECT_FALSE(registry->record_serial("0a", "spki", "server", at(2))) << "twice the same serial";
  EXPECT_EQ(registry->record_certificate("0c", der, at(9), at(2)).error().code, Errc::invalid) << "never recorded";
  ASSERT_TRUE(registry->record_certificate("0a", der, at(9), at(2)));
  EXPECT_EQ(registry->record_certificate("0a", der, at(9), at(2)).error().code, Errc::invalid) << "has one already";
}

TEST(Registry, ManySignedAreRecordedAllOrNone) {
  ScratchDir dir;
  auto registry = Registry::create(dir / "r.db");
  ASSERT_TRUE(registry->record_signed({{"0a", "one", "server"}, {"0b", "two", "client"}}, {{"0a", der, at(9)}, {"0b", der, at(9)}}, at(1)));
  EXPECT_EQ(registry->find_by_spki("two").value()->issued_at, at(1));
  EXPECT_FALSE(registry->record_signed({{"0c", "three", "server"}, {"0a", "one", "server"}}, {{"0c", der, at(9)}, {"0a", der, at(9)}}, at(2))) << "twice the same serial";
  EXPECT_FALSE(registry->record_signed({{"0d", "four", "server"}}, {{"0e", der, at(9)}}, at(2))) << "a certificate of another serial";
  EXPECT_EQ(registry->list().value().size(), 2U);
}

TEST(Registry, ARevocationIsFinal) {
  ScratchDir dir;
  const std::string path = dir / "r.db";
  {
    auto registry = Registry::create(path);
    ASSERT_TRUE(registry);
    EXPECT_EQ(registry->revoke("0a", "", at(1)).error().code, Errc::not_found);
    ASSERT_TRUE(registry->record_serial("0a", "spki", "server", at(1)));
    ASSERT_TRUE(registry->record_certificate("0a", der, at(9), at(1)));
    ASSERT_TRUE(registry->revoke("0a", "keyCompromise", at(5)));
    ASSERT_TRUE(registry->revoke("0a", "superseded", at(6)));
    std::vector<Revocation> revoked;
    ASSERT_TRUE(registry->for_each_revoked([&](const Revocation& one) { return revoked.push_back(one), Result<void>(); }));
    ASSERT_EQ(revoked.size(), 1U);
    EXPECT_EQ(revoked[0].revoked_at, at(5));
    EXPECT_EQ(revoked[0].reason, "keyCompromise");
    EXPECT_EQ(registry->counts().value().revoked, 1U);
  }
  DatabaseOptions options;
  options.journal = DatabaseOptions::Journal::rollback;
  auto database = Database::open(path, options);
  ASSERT_TRUE(database);
  for (const char* sql : {"UPDATE certificate SET revoked_at = NULL", "UPDATE certificate SET reason = 'removeFromCRL'",
                          "DELETE FROM certificate", "UPDATE certificate SET der = x'00'", "UPDATE crl SET number = 0"})
    EXPECT_FALSE(database->execute(sql)) << sql;
}

TEST(Registry, CrlNumbersOnlyRise) {
  ScratchDir dir;
  const std::string path = dir / "r.db";
  {
    auto registry = Registry::create(path);
    ASSERT_TRUE(registry);
    EXPECT_EQ(registry->crl_number().value(), 0U);
    EXPECT_EQ(registry->next_crl_number(1).value(), 1U);
    EXPECT_EQ(registry->next_crl_number(0).value(), 2U);
    EXPECT_EQ(registry->next_crl_number(41).value(), 41U);
  }
  auto registry = Registry::open(path);
  EXPECT_EQ(registry->next_crl_number(7).value(), 42U);
  EXPECT_EQ(registry->next_crl_number(UINT64_MAX).error().code, Errc::invalid);
  EXPECT_EQ(registry->crl_number().value(), 42U);
}

TEST(Registry, DamagedMissingAndForeignFilesAreTold) {
  ScratchDir dir;
  {
    auto registry = Registry::create(dir / "r.db");
    ASSERT_TRUE(registry);
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(registry->record_serial(std::to_string(i), std::string(500, 's'), "server", at(1)));
  }
  const std::string whole = test::slurp(dir / "r.db");
  ASSERT_GT(whole.size(), 16384U);
  const auto expect_told = [&](const std::string& what, const std::string& bytes) {
    test::spit(dir / "r.db", bytes);
    const auto opened = Registry::open(dir / "r.db");
    ASSERT_FALSE(opened) << what;
    EXPECT_NE(opened.error().remedy.find("backup"), std::string::npos) << what << ": " << opened.error().text();
  };
  expect_told("half", whole.substr(0, whole.size() / 2));
  expect_told("no header", whole.substr(0, 50));
  expect_told("empty", "");
  expect_told("overwritten in the middle", std::string(whole).replace(8192, 4096, std::string(4096, '\xee')));
  std::filesystem::remove(dir / "r.db");
  const auto missing = Registry::open(dir / "r.db");
  EXPECT_EQ(missing.error().code, Errc::not_found);
  EXPECT_NE(missing.error().remedy.find("backup"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(dir / "r.db")) << "opening makes nothing";
}

TEST(Registry, TheNewestOfEachClientIsNeverLeftOut) {
  ScratchDir dir;
  auto registry = Registry::create(dir / "r.db");
  const auto add = [&](const std::string& serial, const std::string& profile, std::int64_t end) {
    ASSERT_TRUE(registry->record_serial(serial, "s", profile, at(1)) && registry->record_certificate(serial, der, at(end), at(1)));
  };
  add("01", "client role=rare", 100);
  add("02", "server", 100);
  for (const char* serial : {"03", "04", "05"}) add(serial, std::string("client role=often lifetime=90d renews=") + serial, 100);
  add("06", "client role=over", 10);
  ASSERT_TRUE(registry->revoke("05", "", at(2)));
  const auto serials = [&](std::size_t limit) {
    std::string out;
    const auto found = registry->clients(at(10), limit).value();
    for (const RegistryEntry& entry : found) out += entry.serial + " ";
    return out;
  };
  EXPECT_EQ(serials(100), "05 04 03 01 ");
  EXPECT_EQ(serials(2), "04 01 ");
  EXPECT_EQ(serials(1), "04 ");
}

TEST(Registry, CountsFollowWhatAnotherProcessWrites) {
  ScratchDir dir;
  auto ours = Registry::create(dir / "r.db");
  auto others = Registry::open(dir / "r.db");
  EXPECT_EQ(ours->counts().value().issued, 0U);
  const auto before = ours->mark().value();
  EXPECT_EQ(ours->mark().value(), before);
  ASSERT_TRUE(others->record_serial("01", "s", "server", at(1)) && others->record_certificate("01", der, at(9), at(1)));
  EXPECT_NE(ours->mark().value(), before);
  EXPECT_EQ(ours->counts().value().issued, 1U);
  ASSERT_TRUE(ours->revoke("01", "", at(2)));
  EXPECT_EQ(ours->counts().value().revoked, 1U);
  EXPECT_EQ(ours->revoked_count().value(), 1U);
  EXPECT_EQ(others->revoked_count().value(), 1U);
}

TEST(Registry, OpenOrCreateKeepsWhatIsThere) {
  ScratchDir dir;
  test::spit(dir / "r.db", "");                        // as a crash between creation and schema leaves it
  { ASSERT_TRUE(Registry::open_or_create(dir / "r.db")->record_serial("0a", "s", "p", at(1))); }
  EXPECT_EQ(Registry::open_or_create(dir / "r.db")->list().value().size(), 1U);
}

TEST(Registry, KnowsWhenItsFileWasReplaced) {
  ScratchDir dir;
  auto registry = Registry::create(dir / "r.db");
  EXPECT_TRUE(registry->matches_disk());
  std::filesystem::copy_file(dir / "r.db", dir / "copy.db");
  std::filesystem::rename(dir / "copy.db", dir / "r.db");
  EXPECT_FALSE(registry->matches_disk());
  std::filesystem::remove(dir / "r.db");
  EXPECT_FALSE(registry->matches_disk());
}

}  // namespace
}  // namespace pgcertd::store
