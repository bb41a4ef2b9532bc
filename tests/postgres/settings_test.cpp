// Covers lib/postgres/server.cpp (change_settings, reload), conf_file.cpp and postmaster.cpp against a real PostgreSQL.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "postgres/fake_peer.hpp"
#include "postgres/postmaster.hpp"
#include "postgres/server_fixture.hpp"

namespace pgcertd::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace fs = std::filesystem;

std::string show(const ScratchServer& scratch, const std::string& name) { return scratch.sql("SHOW " + name); }

TEST(AlterSystem, SetsPathsFirstAndResetsThem) {
  ScratchServer scratch;
  create_role(scratch, "pgcertd");
  const auto pair = openssl_self_signed("localhost");
  scratch.write("a'b.crt", pair.certificate_pem);
  scratch.write("a.key", pair.key_pem);
  Subject subject(scratch.conninfo("pgcertd"));
  ASSERT_TRUE(subject.server.observe(nullptr).reachable());
  const SettingsChange on{.values = {{"ssl", "on"}, {"ssl_cert_file", "a'b.crt"}, {"ssl_key_file", scratch.data_directory() + "/a.key"}}};
  const auto changed = subject.server.change_settings(on);
  ASSERT_TRUE(changed) << changed.error().text();
  const auto written = read_file(scratch.data_directory() + "/postgresql.auto.conf");
  EXPECT_LT(written.find("ssl_key_file"), written.find("ssl = "));
  EXPECT_EQ(show(scratch, "ssl"), "off");   // with the next reload only
  ASSERT_TRUE(subject.server.reload());
  EXPECT_TRUE(eventually([&] { return show(scratch, "ssl") == "on"; }));
  const auto seen = subject.server.observe(nullptr);
  EXPECT_EQ(seen.auto_conf.at("ssl_cert_file"), "a'b.crt");
  EXPECT_THAT(seen.settings.at("ssl_cert_file").sourcefile, HasSubstr("postgresql.auto.conf"));

  ASSERT_TRUE(subject.server.change_settings({.values = {{"ssl", std::nullopt}, {"ssl_cert_file", std::nullopt}, {"ssl_key_file", std::nullopt}}}));
  ASSERT_TRUE(subject.server.reload());
  EXPECT_TRUE(eventually([&] { return show(scratch, "ssl") == "off"; }));
  EXPECT_THAT(subject.server.observe(nullptr).auto_conf, IsEmpty());
}

TEST(AlterSystem, RefusesWhatIsNotOurs) {
  ScratchServer scratch;
  Subject subject(scratch.conninfo());
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"ssl_passphrase_command", "/bin/true"}, {"archive_command", "x"}, {"ssl; DROP TABLE x", "on"}, {"ssl", "maybe"}, {"ssl_cert_file", "a\nssl = off"}})
    EXPECT_FALSE(subject.server.change_settings({.values = {{name, value}}})) << name;
  EXPECT_EQ(read_file(scratch.data_directory() + "/postgresql.auto.conf").find("ssl"), std::string::npos);
}

TEST(AlterSystem, TheCommandLineCannotBeOverridden) {
  ScratchServer scratch({.command_line = {"-c", "ssl=off"}});
  Subject subject(scratch.conninfo());
  const auto changed = subject.server.change_settings({.values = {{"ssl", "on"}, {"ssl_cert_file", "x"}}});
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Errc::refused);
  EXPECT_THAT(changed.error().text(), HasSubstr("command line"));
  EXPECT_TRUE(subject.server.change_settings({.values = {{"ssl_cert_file", "x"}}}));
}

// A cluster as on Debian, with conf.d listed in allowed_directories.
class ConfDirectory : public ::testing::Test {
 protected:
  ScratchServer scratch{{.separate_config = true}};
  std::string directory = scratch.config_directory() + "/conf.d";
  std::string file = directory + "/pgcertd.conf";

  void SetUp() override { create_role(scratch, "pgcertd"); }
  std::unique_ptr<Subject> subject(std::vector<std::string> allowed) const {
    auto options = options_for(scratch.conninfo("pgcertd"));
    options.allowed_directories = std::move(allowed);
    return std::make_unique<Subject>(options);
  }
  void expect_alter_system(const std::vector<std::string>& allowed) const {
    const auto at = subject(allowed);
    ASSERT_TRUE(at->server.change_settings({.values = {{"ssl_cert_file", "/by/alter"}}}));
    EXPECT_THAT(read_file(scratch.data_directory() + "/postgresql.auto.conf"), HasSubstr("/by/alter"));
    ASSERT_TRUE(at->server.change_settings({.values = {{"ssl_cert_file", std::nullopt}}}));
  }
};

TEST_F(ConfDirectory, TakesOneFileThatIsReplacedWhole) {
  const auto at = subject({scratch.config_directory()});
  const auto pair = openssl_self_signed("localhost");
  scratch.write("o'ne.crt", pair.certificate_pem);
  scratch.write("one.key", pair.key_pem);
  ASSERT_TRUE(at->server.observe(nullptr).reachable());
  const auto changed = at->server.change_settings({.values = {{"ssl_cert_file", "o'ne.crt"}, {"ssl_key_file", "one.key"}, {"ssl", "on"}}});
  ASSERT_TRUE(changed) << changed.error().text();
  struct stat seen {};
  ASSERT_EQ(stat(file.c_str(), &seen), 0);
  EXPECT_EQ(seen.st_mode & 0777, 0644U);
  EXPECT_EQ(read_file(scratch.data_directory() + "/postgresql.auto.conf").find("ssl"), std::string::npos);
  ASSERT_TRUE(at->server.reload());
  EXPECT_TRUE(eventually([&] { return show(scratch, "ssl") == "on"; }));
  const auto after = at->server.observe(nullptr);
  EXPECT_EQ(after.setting("ssl_cert_file"), "o'ne.crt");
  EXPECT_EQ(after.settings.at("ssl_cert_file").sourcefile, file);
  EXPECT_THAT(after.auto_conf, IsEmpty());

  // Lines written before stay; one that is taken back goes; without any the file goes.
  ASSERT_TRUE(at->server.change_settings({.values = {{"ssl", std::nullopt}}}));
  EXPECT_THAT(read_file(file), Not(HasSubstr("ssl = ")));
  EXPECT_THAT(read_file(file), HasSubstr("ssl_key_file = 'one.key'"));
  ASSERT_TRUE(at->server.change_settings({.values = {{"ssl_cert_file", std::nullopt}, {"ssl_key_file", std::nullopt}}}));
  EXPECT_FALSE(fs::exists(file));
  for (const auto& entry : fs::directory_iterator(directory)) ADD_FAILURE() << "left over: " << entry.path();
}

TEST_F(ConfDirectory, WorksWhileTheServerIsDown) {
  scratch.stop();
  auto options = options_for(scratch.conninfo("pgcertd"));
  options.allowed_directories = {directory};
  const ScratchDirectory root;
  run({"mkdir", "-p", root / "15"});
  run({"ln", "-s", scratch.config_directory(), root / "15/main"});
  options.debian_config_root = root.path();
  options.data_directory = scratch.data_directory();
  Subject cold(options);
  const auto seen = cold.server.observe(nullptr);
  ASSERT_TRUE(seen.known) << seen.fault_text;
  // Debian's symlink is not followed: the directory is reached by the path that is allowed, or not at all.
  EXPECT_FALSE(cold.server.change_settings({.values = {{"ssl_cert_file", "/cold"}}}));
  auto remembered = seen;
  remembered.config_file = scratch.config_directory() + "/postgresql.conf";
  Subject warm(options);
  ASSERT_FALSE(warm.server.observe(&remembered).reachable());
  const auto changed = warm.server.change_settings({.values = {{"ssl_cert_file", "/cold"}}});
  ASSERT_TRUE(changed) << changed.error().text();
  EXPECT_THAT(read_file(file), HasSubstr("/cold"));
}

TEST_F(ConfDirectory, IsLeftAloneUnlessAllowed) {
  expect_alter_system({});
  expect_alter_system({"/nowhere"});
  expect_alter_system({scratch.config_directory() + "/conf"});   // a prefix of the name, not a parent
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(ConfDirectory, ALinkIsNotFollowed) {
  fs::remove_all(directory);
  const std::string elsewhere = scratch.base() + "/elsewhere";
  fs::create_directory(elsewhere);
  fs::create_directory_symlink(elsewhere, directory);
  expect_alter_system({scratch.config_directory()});
  EXPECT_TRUE(fs::is_empty(elsewhere));
}

TEST_F(ConfDirectory, IsLeftAloneWhereOthersHaveTheLastWord) {
  scratch.write(directory + "/zz.conf", "ssl_cert_file = 'later.crt'\n", 0644);
  expect_alter_system({directory});
  fs::remove(directory + "/zz.conf");
  scratch.write(file, "ssl_cert_file = 'mine'\n", 0644);   // somebody's file of that name
  expect_alter_system({directory});
  EXPECT_EQ(read_file(file), "ssl_cert_file = 'mine'\n");
  fs::remove(file);
  fs::create_symlink("/etc/passwd", file);
  expect_alter_system({directory});
  fs::remove(file);
  scratch.add_config("ssl_cert_file = 'last.crt'");
  expect_alter_system({directory});
}

TEST_F(ConfDirectory, WhatStandsInAutoConfIsChangedThere) {
  scratch.sql("ALTER SYSTEM SET ssl_cert_file = '/foreign'");
  const auto at = subject({directory});
  ASSERT_EQ(at->server.observe(nullptr).auto_conf.at("ssl_cert_file"), "/foreign");
  ASSERT_TRUE(at->server.change_settings({.values = {{"ssl_cert_file", "/ours"}}}));
  EXPECT_FALSE(fs::exists(file));
  ASSERT_TRUE(at->server.reload());
  EXPECT_TRUE(eventually([&] { return show(scratch, "ssl_cert_file") == "/ours"; }));
}

// pg_conf_load_time() of the server moves on.
bool reloads(const ScratchServer& scratch, const std::function<void()>& act) {
  const auto before = scratch.sql("SELECT pg_conf_load_time()");
  act();
  return eventually([&] { return scratch.sql("SELECT pg_conf_load_time()") != before; }, milliseconds{3'000});
}

TEST(Reload, BySqlAndBySystemd) {
  ScratchServer scratch;
  create_role(scratch, "pgcertd");
  auto options = options_for(scratch.conninfo("pgcertd"));
  Subject automatic(options);
  EXPECT_TRUE(reloads(scratch, [&] { EXPECT_TRUE(automatic.server.reload()); }));
  options.reload = {.kind = ReloadMethod::Kind::systemd, .unit = "postgresql@15-main.service"};
  EXPECT_FALSE(Subject(options).server.reload());
  std::string asked;
  options.reload_unit = [&](const std::string& unit) {
    asked = unit;
    return Result<void>();
  };
  EXPECT_TRUE(Subject(options).server.reload());
  EXPECT_EQ(asked, "postgresql@15-main.service");
}

TEST(Reload, SignalReachesThePostmasterAndNobodyElse) {
  ScratchServer scratch;
  EXPECT_TRUE(reloads(scratch, [&] { EXPECT_TRUE(postgres::signal_reload(scratch.data_directory())); }));
  const ScratchDirectory stale;
  for (const std::string& text : {std::to_string(getpid()) + "\n", std::string("1\n"), std::string("-5\n"), std::string("0\n"), std::string("x\n"), std::string()}) {
    scratch.write(stale / "postmaster.pid", text, 0600);
    EXPECT_FALSE(postgres::signal_reload(stale.path())) << text;
  }
  EXPECT_FALSE(postgres::signal_reload(stale / "missing"));
}

TEST(Reload, SignalIsForTheServersOwnUserOnly) {
  ScratchServer scratch;
  auto options = options_for(scratch.conninfo());
  options.reload.kind = ReloadMethod::Kind::signal;
  const auto signalled = Subject(options).server.reload();
  EXPECT_EQ(signalled.has_value(), geteuid() == server_account().uid);
  if (!signalled) {
    EXPECT_EQ(signalled.error().code, Errc::permission);
  }
}

}  // namespace
}  // namespace pgcertd::testing
