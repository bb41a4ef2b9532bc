#include "ca/ceremony.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "ca/ca_directory.hpp"
#include "store/registry.hpp"
#include "unit/support/test_ca.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {
namespace {

using namespace pgcertd::test;

InitOptions options_in(const ScratchDir& dir) {
  InitOptions options;
  options.root_dir = dir / "root";
  options.issuing_dir = dir / "issuing";
  options.root_without_passphrase = true;
  return options;
}

std::set<std::string> names_in(const std::string& path) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path)) names.insert(entry.path().filename());
  return names;
}

TEST(Ceremony, MakesRootAndIssuingCaWithEncryptedKeys) {
  ScratchDir dir;
  InitOptions options = options_in(dir);
  options.root_without_passphrase = false;
  options.root_passphrase.emplace("correct horse");
  options.issuing_passphrase.emplace("battery staple");
  const mode_t before = ::umask(0);
  const auto report = init_ca(options, start);
  ::umask(before);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_TRUE(report->root_key_encrypted && report->issuing_key_encrypted);
  EXPECT_EQ(report->root_key, dir / "root/root.key");
  EXPECT_EQ(names_in(dir.path()), (std::set<std::string>{"root", "issuing"}));
  EXPECT_EQ(names_in(dir / "root"), (std::set<std::string>{"root.crt", "root.key", "root.crl", "registry.db", "log", "policy.toml"}));
  EXPECT_EQ(names_in(dir / "issuing"),
            (std::set<std::string>{"issuing.crt", "issuing.key", "issuing.crl", "root.crt", "root.crl", "registry.db"}));
  for (const char* path : {"root", "issuing"}) EXPECT_EQ(mode_of(dir / path), 0700) << path;
  for (const char* path : {"root/root.key", "root/registry.db", "issuing/issuing.key", "issuing/registry.db"})
    EXPECT_EQ(mode_of(dir / path), 0600) << path;
  EXPECT_EQ(slurp(dir / "root/root.crt"), slurp(dir / "issuing/root.crt"));
  EXPECT_EQ(slurp(dir / "root/root.crl"), slurp(dir / "issuing/root.crl"));

  const std::string pem = slurp(dir / "root/root.key");
  EXPECT_THAT(pem, ::testing::StartsWith("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
  const Secret right("correct horse"), wrong("battery staple");
  EXPECT_EQ(x509::PrivateKey::parse(pem, "root.key", &right).value().spki_sha256(), report->root.spki_sha256);
  EXPECT_FALSE(x509::PrivateKey::parse(pem, "root.key", &wrong));
}

TEST(Ceremony, CertificatesAreAsTheProfilesSay) {
  ScratchDir dir;
  const auto report = init_ca(options_in(dir), start);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->root.key_type, KeyType::ecdsa_p384);
  EXPECT_EQ(report->root.not_after, start + days{15 * 365});
  EXPECT_EQ(report->root.common_name, "pgcertd root CA " + report->root.spki_sha256.substr(0, 8));
  EXPECT_EQ(report->issuing->key_type, KeyType::ecdsa_p256);
  EXPECT_EQ(report->issuing->not_after, start + days{730});
  EXPECT_EQ(report->issuing->authority_key_id, report->root.subject_key_id);
  EXPECT_EQ(report->root_crl.next_update, start + days{396});
  EXPECT_EQ(report->issuing_crl->next_update, start + days{30});
  EXPECT_LE(report->issuing_crl->this_update, start);
  int status = 0;
  const std::string said =
      run(fmt::format("openssl verify -x509_strict -attime {} -crl_check_all -CRLfile {} -CAfile {} {}", to_unix(start),
                      dir / "root/root.crl", dir / "root/root.crt", dir / "issuing/issuing.crt"),
          status);
  EXPECT_EQ(status, 0) << said;

  // Both serials stand in the registry of the root, which signed both.
  auto registry = store::Registry::open(dir / "root/registry.db");
  const auto entries = registry->list().value();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].serial, report->root.serial);
  EXPECT_EQ(entries[1].serial, report->issuing->serial);
  EXPECT_EQ(entries[1].profile, "issuing-ca");
  EXPECT_EQ(registry->crl_number().value(), 1U);
  EXPECT_EQ(store::Registry::open(dir / "issuing/registry.db")->crl_number().value(), 1U);
}

TEST(Ceremony, AnIssuingCaNeverOutlivesItsRoot) {
  ScratchDir dir;
  InitOptions options = options_in(dir);
  options.root_lifetime = days{100};
  const auto report = init_ca(options, start);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_EQ(report->issuing->not_after, report->root.not_after);
  EXPECT_GE(report->issuing->not_before, report->root.not_before);
}

TEST(Ceremony, ARootAloneIsMadeWithoutAnIssuingDirectory) {
  ScratchDir dir;
  InitOptions options = options_in(dir);
  options.issuing_dir.clear();
  options.root_dir += "/";
  const auto report = init_ca(options, start);
  ASSERT_TRUE(report) << report.error().text();
  EXPECT_FALSE(report->issuing);
  EXPECT_EQ(names_in(dir.path()), std::set<std::string>{"root"});
}

TEST(Ceremony, ImpossibleOptionsMakeNothing) {
  struct Row {
    const char* what;
    void (*spoil)(InitOptions&, const std::string&);
  };
  const Row rows[] = {
      {"no directory", [](InitOptions& o, const std::string&) { o.root_dir.clear(); }},
      {"no passphrase, and not asked for", [](InitOptions& o, const std::string&) { o.root_without_passphrase = false; }},
      {"both", [](InitOptions& o, const std::string&) { o.root_passphrase.emplace("x"); }},
      {"empty passphrase", [](InitOptions& o, const std::string&) { o.issuing_passphrase.emplace(""); }},
      {"EdDSA root", [](InitOptions& o, const std::string&) { o.root_key_type = KeyType::ed25519; }},
      {"EdDSA issuing CA", [](InitOptions& o, const std::string&) { o.issuing_key_type = KeyType::ed25519; }},
      {"unknown key type", [](InitOptions& o, const std::string&) { o.root_key_type = KeyType::other; }},
      {"no life", [](InitOptions& o, const std::string&) { o.root_lifetime = Duration{0}; }},
      {"negative life", [](InitOptions& o, const std::string&) { o.issuing_lifetime = days{-1}; }},
      {"past the end of time", [](InitOptions& o, const std::string&) { o.root_lifetime = days{365 * 9000}; }},
      {"long name", [](InitOptions& o, const std::string&) { o.root_common_name = std::string(65, 'x'); }},
      {"control characters", [](InitOptions& o, const std::string&) { o.issuing_common_name = "a\nb"; }},
      {"one name for two", [](InitOptions& o, const std::string&) { o.root_common_name = o.issuing_common_name = "CA"; }},
      {"one directory for two", [](InitOptions& o, const std::string&) { o.issuing_dir = o.root_dir + "/"; }},
      {"one inside the other", [](InitOptions& o, const std::string&) { o.issuing_dir = o.root_dir + "/../root/issuing"; }},
      {"parent missing", [](InitOptions& o, const std::string& dir) { o.root_dir = dir + "/no/root"; }},
      {"parent of issuing missing", [](InitOptions& o, const std::string& dir) { o.issuing_dir = dir + "/no/issuing"; }},
  };
  for (const Row& row : rows) {
    ScratchDir dir;
    InitOptions options = options_in(dir);
    row.spoil(options, dir.path());
    const auto report = init_ca(options, start);
    EXPECT_FALSE(report) << row.what;
    EXPECT_TRUE(names_in(dir.path()).empty()) << row.what;
  }
}

TEST(Ceremony, NothingThatIsThereIsOverwritten) {
  for (const char* occupied : {"root", "issuing"}) {
    ScratchDir dir;
    std::filesystem::create_directory(dir / occupied);
    spit(dir / (std::string(occupied) + "/precious"), "x");
    const auto report = init_ca(options_in(dir), start);
    ASSERT_FALSE(report) << occupied;
    EXPECT_EQ(report.error().code, Errc::exists);
    EXPECT_THAT(report.error().what, ::testing::HasSubstr(occupied));
    EXPECT_EQ(names_in(dir.path()), std::set<std::string>{occupied});
    EXPECT_EQ(names_in(dir / occupied), std::set<std::string>{"precious"});
  }
  ScratchDir dir;
  spit(dir / "root", "a file");
  EXPECT_EQ(init_ca(options_in(dir), start).error().code, Errc::exists);
  std::filesystem::remove(dir / "root");
  const ScratchDir elsewhere;
  std::filesystem::create_directory_symlink(elsewhere.path(), dir / "root");
  EXPECT_EQ(init_ca(options_in(dir), start).error().code, Errc::exists);
}

TEST(Ceremony, AnEmptyDirectoryIsFilledAndKeepsItsOwner) {
  ScratchDir dir;
  std::filesystem::create_directory(dir / "issuing");
  const bool is_root = ::geteuid() == 0;
  ASSERT_TRUE(!is_root || ::chown((dir / "issuing").c_str(), 65534, 65534) == 0);
  ASSERT_TRUE(init_ca(options_in(dir), start));
  for (const char* name : {"issuing", "issuing/issuing.key", "issuing/registry.db"}) {
    struct stat seen {};
    ASSERT_EQ(::stat((dir / name).c_str(), &seen), 0);
    EXPECT_EQ(seen.st_uid, is_root ? 65534 : ::geteuid()) << name;
  }
  struct stat root {};
  ASSERT_EQ(::stat((dir / "root/root.key").c_str(), &root), 0);
  EXPECT_EQ(root.st_uid, ::geteuid()) << "the root's key stays with who ran the ceremony";
}

TEST(Ceremony, AReadOnlyPlaceLeavesNothing) {
  ScratchDir dir;
  std::filesystem::create_directory(dir / "a");
  ::chmod(dir.path().c_str(), 0755);
  ::chmod((dir / "a").c_str(), 0555);
  EXPECT_EQ(in_unprivileged_child([&] {
              InitOptions options = options_in(dir);
              options.root_dir = dir / "a/root";
              options.issuing_dir.clear();
              const auto report = init_ca(options, start);
              return !report && report.error().code == Errc::permission ? 0 : 1;
            }),
            0);
  EXPECT_TRUE(names_in(dir / "a").empty());
  ::chmod((dir / "a").c_str(), 0755);
}

TEST(Ceremony, AFailureHalfWayLeavesNothing) {
  for (const rlim_t bytes : {0U, 100U, 500U, 1000U, 8192U, 20000U}) {
    ScratchDir dir;
    ::chmod(dir.path().c_str(), 0777);
    EXPECT_EQ(in_unprivileged_child([&] {
                limit_file_size(bytes);
                return init_ca(options_in(dir), start) ? 1 : 0;
              }),
              0)
        << bytes;
    EXPECT_TRUE(names_in(dir.path()).empty()) << bytes;
  }
}

// kill -9 at any moment: what stands at its place is whole.
TEST(Ceremony, AKilledOneLeavesAWholeCaOrNone) {
  ScratchDir dir;
  for (int delay = 0; delay < 12; ++delay) {
    const pid_t child = ::fork();
    if (child == 0) {
      (void)init_ca(options_in(dir), start);
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(delay) * 1000);   // varies the moment; nothing is waited for
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    for (const char* place : {"root", "issuing"}) {
      if (!std::filesystem::exists(dir / place)) continue;
      const auto seen = look_at(dir / place);
      ASSERT_TRUE(seen) << seen.error().text();
      EXPECT_TRUE(seen->key_present && seen->crl && seen->registry_error.empty());
    }
    for (const auto& name : names_in(dir.path())) std::filesystem::remove_all(dir / name);
  }
}

TEST(CaDirectory, LookAtTellsWhatADirectoryIs) {
  TestCa ca;
  const auto root = look_at(ca.root);
  ASSERT_TRUE(root) << root.error().text();
  EXPECT_EQ(root->kind, CaDirectorySeen::Kind::root);
  EXPECT_TRUE(root->key_present);
  EXPECT_FALSE(root->key_encrypted);
  EXPECT_EQ(root->issued, 2U);
  EXPECT_EQ(root->certificate, root->root);
  std::filesystem::remove(ca.root + "/root.key");
  EXPECT_FALSE(look_at(ca.root)->key_present);

  const auto issuing = look_at(ca.issuing);
  ASSERT_TRUE(issuing) << issuing.error().text();
  EXPECT_EQ(issuing->kind, CaDirectorySeen::Kind::issuing);
  EXPECT_EQ(issuing->root, root->root);
  EXPECT_EQ(issuing->root_crl, root->crl);
  EXPECT_EQ(issuing->certificate_pem, slurp(ca.in_issuing("issuing.crt")));
  std::filesystem::remove(ca.in_issuing("registry.db"));
  spit(ca.in_issuing("issuing.crl"), "garbage");
  EXPECT_NE(look_at(ca.issuing)->registry_error, "");
  EXPECT_FALSE(look_at(ca.issuing)->crl);

  ScratchDir other;
  EXPECT_EQ(look_at(other.path()).error().code, Errc::invalid);
  EXPECT_EQ(look_at(other / "missing").error().code, Errc::not_found);
}

}  // namespace
}  // namespace pgcertd::ca
