// Covers lib/service/credentials.*
#include "service/credentials.hpp"

#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

SecretSource file(const std::string& path) { return {.kind = SecretSource::Kind::file, .name = path}; }
SecretSource credential(const std::string& name) { return {.kind = SecretSource::Kind::credential, .name = name}; }

TEST(ReadSecret, StripsOneNewlineAndNothingElse) {
  const TempDir dir;
  struct { const char* text; const char* secret; } const rows[] = {
      {"hunter2\n", "hunter2"}, {"hunter2", "hunter2"}, {"two\n\n", "two\n"}, {" spaces \n", " spaces "}, {"a\nb\n", "a\nb"}};
  for (const auto& row : rows) {
    write_file(dir.path("pass"), row.text);
    const auto secret = read_secret(file(dir.path("pass")));
    ASSERT_TRUE(secret) << secret.error().text();
    EXPECT_EQ(secret->view(), row.secret);
  }
}

TEST(ReadSecret, ZeroBytesAreKept) {
  const TempDir dir;
  write_file(dir.path("pass"), std::string("a\0b", 3), 0400);
  EXPECT_EQ(read_secret(file(dir.path("pass")))->view(), std::string_view("a\0b", 3));
}

TEST(ReadSecret, OpenModesAreRefusedWithTheCommandThatHeals) {
  const TempDir dir;
  for (const mode_t mode : {0640U, 0604U, 0660U, 0644U, 0610U, 0601U}) {
    write_file(dir.path("pass"), "hunter2", mode);
    const auto secret = read_secret(file(dir.path("pass")));
    ASSERT_FALSE(secret);
    EXPECT_EQ(secret.error().code, Errc::permission);
    EXPECT_EQ(secret.error().remedy, "chmod 0600 '" + dir.path("pass") + "'");
    EXPECT_EQ(secret.error().text().find("hunter2"), std::string::npos);
  }
}

TEST(ReadSecret, AFileOfSomebodyElseIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  const TempDir dir;
  write_file(dir.path("pass"), "hunter2");
  ASSERT_EQ(chown(dir.path("pass").c_str(), 12345, 0), 0);
  const auto secret = read_secret(file(dir.path("pass")));
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code, Errc::permission);
  EXPECT_NE(secret.error().text().find("12345"), std::string::npos);
}

TEST(ReadSecret, BrokenFilesAreRefused) {
  const TempDir dir;
  write_file(dir.path("empty"), "");
  write_file(dir.path("newline"), "\n");
  write_file(dir.path("large"), std::string(65537, 'x'));
  write_file(dir.path("largest"), std::string(65536, 'x'));
  ASSERT_EQ(mkfifo(dir.path("fifo").c_str(), 0600), 0);
  struct { std::string name; Errc code; } const rows[] = {
      {"empty", Errc::invalid}, {"newline", Errc::invalid}, {"large", Errc::invalid}, {"fifo", Errc::invalid},
      {"", Errc::invalid}, {"absent", Errc::not_found}, {"empty/below", Errc::not_found}};
  for (const auto& row : rows) {
    const auto secret = read_secret(file(dir.path(row.name)));
    ASSERT_FALSE(secret) << row.name;
    EXPECT_EQ(secret.error().code, row.code) << secret.error().text();
    EXPECT_NE(secret.error().text().find(row.name), std::string::npos);
  }
  EXPECT_TRUE(read_secret(file(dir.path("largest"))));
  EXPECT_EQ(read_secret({}).error().code, Errc::invalid);
}

TEST(ReadSecret, CredentialsComeFromSystemdsDirectory) {
  const TempDir dir;
  write_file(dir.path("issuing-ca"), "passphrase\n", 0440);   // systemd gives access by an ACL, which shows as the group's bits
  const Env env{"CREDENTIALS_DIRECTORY", dir.path().c_str()};
  const auto secret = read_secret(credential("issuing-ca"));
  ASSERT_TRUE(secret) << secret.error().text();
  EXPECT_EQ(secret->view(), "passphrase");
  const auto absent = read_secret(credential("absent"));
  EXPECT_EQ(absent.error().code, Errc::not_found);
  EXPECT_NE(absent.error().remedy.find("LoadCredential=absent:"), std::string::npos);
  for (const char* name : {"", ".", "..", "../x", "/etc/passwd", "a/b"})
    EXPECT_EQ(read_secret(credential(name)).error().code, Errc::invalid) << name;
}

TEST(ReadSecret, WithoutSystemdTheRemedySaysWhatToAdd) {
  const Env env{"CREDENTIALS_DIRECTORY", nullptr};
  const auto secret = read_secret(credential("issuing-ca"));
  ASSERT_FALSE(secret);
  EXPECT_EQ(secret.error().code, Errc::not_found);
  EXPECT_NE(secret.error().remedy.find("LoadCredential=issuing-ca:"), std::string::npos);
}

}  // namespace
}  // namespace pgcertd::service::test
