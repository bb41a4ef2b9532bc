// Covers lib/postgres/server.cpp, session.cpp, discovery.cpp and cold_start.cpp against a real PostgreSQL: each state it can be in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <thread>

#include "postgres/conninfo.hpp"
#include "postgres/fake_peer.hpp"
#include "postgres/server_fixture.hpp"

namespace pgcertd::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;
using std::chrono::steady_clock;

class SessionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch = std::make_unique<ScratchServer>(ScratchServer::Options{
        .hba = "local all locked scram-sha-256\nlocal all all trust\nhost all locked 127.0.0.1/32 scram-sha-256\nhost all nobody 127.0.0.1/32 reject\nhost all all 127.0.0.1/32 trust\n"});
    create_role(*scratch, "pgcertd");
    scratch->script("CREATE ROLE bare LOGIN");
    scratch->script("CREATE ROLE locked LOGIN PASSWORD 'right'");
    scratch->script("CREATE ROLE nobody LOGIN");
  }
  static void TearDownTestSuite() { scratch.reset(); }
  static inline std::unique_ptr<ScratchServer> scratch;
};

TEST_F(SessionTest, SeesTheWholeServerThroughTheLeastRole) {
  Subject subject(scratch->conninfo("pgcertd"));
  const auto seen = subject.server.observe(nullptr);
  ASSERT_EQ(seen.fault, ServerFault::none) << seen.fault_text;
  EXPECT_TRUE(seen.known);
  EXPECT_GE(seen.version_num, 150000U);
  EXPECT_THAT(seen.version, ::testing::StartsWith("15."));
  EXPECT_EQ(seen.system_identifier, scratch->sql("SELECT system_identifier FROM pg_control_system()"));
  EXPECT_EQ(seen.data_directory, scratch->data_directory());
  EXPECT_EQ(seen.config_file, scratch->data_directory() + "/postgresql.conf");
  EXPECT_EQ(seen.port, scratch->port());
  EXPECT_EQ(seen.listen_addresses, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(seen.setting("ssl"), "off");
  EXPECT_FALSE(seen.ssl_on());
  EXPECT_EQ(seen.file_setting("ssl_cert_file"), scratch->data_directory() + "/server.crt");
  EXPECT_EQ(seen.settings.at("ssl_cert_file").source, "default");
  EXPECT_EQ(seen.server_user, server_account().user);
  EXPECT_EQ(seen.server_uid, server_account().uid);
  EXPECT_EQ(seen.server_gid, server_account().gid);
  EXPECT_FALSE(seen.in_recovery);
  EXPECT_EQ(to_unix(seen.postmaster_start), std::stoll(scratch->sql("SELECT floor(extract(epoch FROM pg_postmaster_start_time()))::bigint")));
  EXPECT_GE(seen.config_loaded, seen.postmaster_start - std::chrono::seconds{10});
  const Privileges all{.read_all_settings = true, .reload = true, .alter_system = true, .read_file_settings = true, .superuser = false};
  EXPECT_EQ(seen.privileges, all);
}

TEST_F(SessionTest, SessionIsPlainAndSafe) {
  postgres::SessionOptions options{.conninfo = scratch->conninfo("pgcertd")};
  auto session = postgres::Session::open(options, std::make_shared<postgres::Cancel>());
  ASSERT_TRUE(session) << session.error().error.text();
  const auto rows = session->query("SELECT current_setting('search_path') AS path, current_setting('application_name') AS name; SELECT NULL AS nothing");
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 2U);
  EXPECT_EQ((*rows)[0].text(0, "path"), "pg_catalog");
  EXPECT_EQ((*rows)[0].text(0, "name"), "pgcertd");
  EXPECT_EQ((*rows)[1].rows[0][0], std::nullopt);
  EXPECT_EQ(session->peer_uid(), server_account().uid);
  EXPECT_EQ(session->literal("it's").value(), "'it''s'");
  const auto refused = session->query("SELECT nonsense");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().sqlstate, "42703");
  EXPECT_FALSE(session->broken());
  EXPECT_TRUE(session->query("SELECT 1"));
}

TEST_F(SessionTest, AnEndlessStatementAndACopyEndTheSession) {
  postgres::SessionOptions options{.conninfo = scratch->conninfo("pgcertd"), .statement_timeout = milliseconds{200}};
  auto session = postgres::Session::open(options, std::make_shared<postgres::Cancel>());
  ASSERT_TRUE(session);
  const auto late = session->query("SELECT pg_catalog.pg_sleep(60)");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().fault, ServerFault::timeout);
  EXPECT_TRUE(session->broken());
  session = postgres::Session::open(options, std::make_shared<postgres::Cancel>());
  ASSERT_TRUE(session);
  EXPECT_FALSE(session->query("COPY (SELECT 1) TO STDOUT"));
  EXPECT_TRUE(session->broken());
}

TEST_F(SessionTest, ARoleWithoutGrantsIsSeenAsOne) {
  Subject subject(scratch->conninfo("bare"));
  PostgresSeen before;
  before.known = true;
  before.data_directory = scratch->data_directory();
  before.config_file = "/remembered/postgresql.conf";
  const auto seen = subject.server.observe(&before);
  ASSERT_EQ(seen.fault, ServerFault::none) << seen.fault_text;
  EXPECT_EQ(seen.privileges, Privileges{});
  EXPECT_EQ(seen.data_directory, scratch->data_directory());   // hidden, so remembered
  EXPECT_EQ(seen.config_file, "/remembered/postgresql.conf");
  EXPECT_EQ(seen.server_uid, server_account().uid);
  EXPECT_EQ(seen.setting("ssl_cert_file"), "server.crt");
  const auto settings = subject.server.change_settings({.values = {{"ssl_cert_file", "/x"}}});
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().code, Errc::permission);
  EXPECT_THAT(settings.error().remedy, HasSubstr("GRANT ALTER SYSTEM ON PARAMETER ssl, ssl_cert_file"));
  EXPECT_THAT(settings.error().remedy, HasSubstr("TO \"bare\""));
  ServerFault fault = seen.fault;
  EXPECT_EQ(fault, ServerFault::none);
  auto by_sql = options_for(scratch->conninfo("bare"));
  by_sql.reload.kind = ReloadMethod::Kind::sql;
  Subject other(by_sql);
  const auto reload = other.server.reload();
  ASSERT_FALSE(reload);
  EXPECT_EQ(reload.error().code, Errc::permission);
  EXPECT_THAT(reload.error().remedy, HasSubstr("GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO \"bare\""));
  const auto nothing_in_log = scratch->log();
  EXPECT_THAT(nothing_in_log, Not(HasSubstr("pg_show_all_file_settings")));   // observing asks only what it may
}

TEST_F(SessionTest, PasswordsComeFromTheCallback) {
  struct Case {
    std::string user, password;
    ServerFault fault;
  };
  for (const auto& [user, password, fault] : {Case{"locked", "right", ServerFault::none}, Case{"locked", "wrong", ServerFault::auth_failed},
                                              Case{"locked", "", ServerFault::auth_failed}, Case{"missing", "", ServerFault::auth_failed},
                                              Case{"nobody", "", ServerFault::auth_failed}}) {
    auto options = options_for(scratch->tcp_conninfo(user));
    if (!password.empty()) options.password = [secret = password] { return Result<Secret>(Secret(secret)); };
    Subject subject(options);
    const auto seen = subject.server.observe(nullptr);
    EXPECT_EQ(seen.fault, fault) << user << " " << password << " " << seen.fault_text;
    EXPECT_THAT(seen.fault_text, Not(HasSubstr("wrong\"")));
    if (fault == ServerFault::auth_failed) {
      EXPECT_THAT(seen.fault_text, HasSubstr("setup sql"));
    }
  }
  auto options = options_for(scratch->tcp_conninfo("locked"));
  options.password = []() -> Result<Secret> { return fail(Errc::not_found, "no such credential"); };
  Subject subject(options);
  EXPECT_THAT(subject.server.observe(nullptr).fault_text, HasSubstr("no such credential"));
}

TEST_F(SessionTest, EnvironmentServiceAndPasswordFilesAreIgnored) {
  const ScratchDirectory directory;
  const std::string passwords = directory / "pgpass", services = directory / "services";
  scratch->write(passwords, "*:*:*:*:right\n", 0600);
  scratch->write(services, "[evil]\nport=1\n", 0644);
  ASSERT_EQ(chown(passwords.c_str(), geteuid(), getegid()), 0);
  setenv("PGPASSFILE", passwords.c_str(), 1);
  setenv("PGSERVICEFILE", services.c_str(), 1);
  setenv("PGSERVICE", "evil", 1);
  setenv("PGPASSWORD", "right", 1);
  setenv("PGOPTIONS", "-c statement_timeout=1", 1);
  setenv("PGSSLMODE", "require", 1);
  postgres::ignore_pg_environment();
  EXPECT_EQ(Subject(scratch->tcp_conninfo("locked")).server.observe(nullptr).fault, ServerFault::auth_failed);
  EXPECT_EQ(Subject(scratch->tcp_conninfo("pgcertd")).server.observe(nullptr).fault, ServerFault::none);
  EXPECT_EQ(Subject(scratch->tcp_conninfo("locked") + " passfile=" + passwords).server.observe(nullptr).fault, ServerFault::auth_failed);
  EXPECT_EQ(Subject(scratch->tcp_conninfo("pgcertd") + " service=evil").server.observe(nullptr).fault, ServerFault::none);
}

TEST_F(SessionTest, OtherConfigurationErrorsAreToldApart) {
  EXPECT_EQ(Subject("host=10.255.255.1 user=x").server.observe(nullptr).fault, ServerFault::insecure);
  EXPECT_EQ(Subject("nonsense").server.observe(nullptr).fault, ServerFault::other);
  const auto no_database = Subject(scratch->tcp_conninfo() + " dbname=missing").server.observe(nullptr);
  EXPECT_EQ(no_database.fault, ServerFault::other);
  EXPECT_THAT(no_database.fault_text, HasSubstr("3D000"));
}

TEST_F(SessionTest, TheSocketsOwnerMustBeTheServersUser) {
  auto options = options_for(scratch->conninfo("pgcertd"));
  options.server_user = server_account().user == "nobody" ? "daemon" : "nobody";
  const auto seen = Subject(options).server.observe(nullptr);
  EXPECT_EQ(seen.fault, ServerFault::wrong_peer) << seen.fault_text;
  EXPECT_FALSE(seen.known);
}

TEST_F(SessionTest, AnotherClusterStopsEverything) {
  Subject subject(scratch->conninfo("pgcertd"));
  PostgresSeen remembered;
  remembered.known = true;
  remembered.system_identifier = "1";
  remembered.data_directory = "/old";
  const auto seen = subject.server.observe(&remembered);
  EXPECT_EQ(seen.fault, ServerFault::wrong_cluster);
  EXPECT_EQ(seen.system_identifier, "1");
  EXPECT_EQ(seen.data_directory, "/old");
}

TEST_F(SessionTest, ObservingTwiceKeepsOneSessionAndRestEndsIt) {
  Subject subject(scratch->conninfo("pgcertd"));
  const auto sessions = [] { return scratch->sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgcertd'"); };
  ASSERT_TRUE(subject.server.observe(nullptr).reachable());
  const auto first = subject.server.observe(nullptr);
  EXPECT_TRUE(eventually([&] { return sessions() == "1"; }));   // those of other tests may still be ending
  subject.server.rest();
  EXPECT_TRUE(eventually([&] { return sessions() == "0"; }));
  EXPECT_EQ(subject.server.observe(&first), first);
}

TEST(SessionStates, DownIsDataAndMemoryFillsIt) {
  ScratchServer scratch({.start = false});
  Subject subject(scratch.tcp_conninfo());
  PostgresSeen remembered;
  remembered.known = true;
  remembered.version = "15.9";
  for (const auto& conninfo : {scratch.tcp_conninfo(), scratch.conninfo()}) {
    const auto seen = Subject(conninfo).server.observe(&remembered);
    EXPECT_EQ(seen.fault, ServerFault::down) << seen.fault_text;
    EXPECT_EQ(seen.version, "15.9");
    EXPECT_FALSE(Subject(conninfo).server.observe(nullptr).known);
    EXPECT_FALSE(Subject(conninfo).server.reload());
    EXPECT_FALSE(Subject(conninfo).server.change_settings({.values = {{"ssl", "on"}}}));
  }
}

TEST(SessionStates, ARestartInBetweenIsBridged) {
  ScratchServer scratch;
  Subject subject(scratch.conninfo());
  const auto before = subject.server.observe(nullptr);
  ASSERT_TRUE(before.reachable());
  scratch.restart();
  const auto after = subject.server.observe(&before);
  EXPECT_TRUE(after.reachable()) << after.fault_text;
  EXPECT_GT(after.postmaster_start, before.postmaster_start);
  scratch.kill();
  // A backend that is about to notice the postmaster's death may answer once more.
  EXPECT_TRUE(eventually([&] { return subject.server.observe(&after).fault == ServerFault::down; }));
  EXPECT_EQ(subject.server.observe(nullptr).data_directory, scratch.data_directory());
}

TEST(SessionStates, AFrozenServerEndsByTheDeadline) {
  ScratchServer scratch;
  for (const auto& conninfo : {scratch.tcp_conninfo(), scratch.conninfo()}) {
    auto options = options_for(conninfo);
    options.connect_timeout = milliseconds{300};
    Subject subject(options);
    scratch.freeze();
    const auto seen = subject.server.observe(nullptr);
    scratch.thaw();
    EXPECT_EQ(seen.fault, ServerFault::timeout) << seen.fault_text;
  }
}

TEST(SessionStates, CancelEndsAWaitAtOnce) {
  std::optional<Subject> waiting;   // outlives the peer, whose thread cancels it
  FakePeer peer([&](FakePeer& self, int fd) {
    self.read_some(fd);   // the session has begun and waits for the answer
    waiting->cancel->trigger();
    self.hang(fd);
  });
  auto options = options_for("host=127.0.0.1 user=x port=" + std::to_string(peer.port()));
  options.connect_timeout = std::chrono::hours{1};
  waiting.emplace(options);
  const auto seen = waiting->server.observe(nullptr);
  EXPECT_FALSE(seen.reachable());
  EXPECT_THAT(seen.fault_text, HasSubstr("stopping"));
}

TEST(SessionStates, TooManyConnectionsIsToldApart) {
  ScratchServer scratch({.config = {"max_connections = 2", "superuser_reserved_connections = 0", "max_wal_senders = 0"}});
  create_role(scratch, "pgcertd");
  Subject first(scratch.conninfo("pgcertd")), second(scratch.conninfo("pgcertd")), third(scratch.conninfo("pgcertd"));
  ASSERT_TRUE(eventually([&] { return first.server.observe(nullptr).reachable() && second.server.observe(nullptr).reachable(); }));
  const auto seen = third.server.observe(nullptr);
  EXPECT_EQ(seen.fault, ServerFault::too_many_connections) << seen.fault_text;
}

TEST(SessionStates, WhatIsNotPostgresIsToldApart) {
  struct Case {
    std::string name;
    FakePeer::Script script;
    ServerFault fault;
  };
  for (const auto& [name, script, fault] : std::vector<Case>{
           {"starting", [](FakePeer& self, int fd) { if (self.read_some(fd).size() == 8) { self.send(fd, "N"); self.read_some(fd); } self.send(fd, error_response("57P03", "the database system is starting up")); }, ServerFault::starting},
           {"http", [](FakePeer& self, int fd) { self.read_some(fd); self.send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); }, ServerFault::not_postgres},
           {"http without TLS", [](FakePeer& self, int fd) { self.read_some(fd); self.send(fd, "N"); self.read_some(fd); self.send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); }, ServerFault::not_postgres},
           {"closing", [](FakePeer&, int) {}, ServerFault::down},
           {"hanging", [](FakePeer& self, int fd) { self.hang(fd); }, ServerFault::timeout},
           {"bytes behind S", [](FakePeer& self, int fd) { self.read_some(fd); self.send(fd, "Sinjected"); self.hang(fd); }, ServerFault::timeout},   // libpq judges them behind the handshake
       }) {
    FakePeer peer(script);
    auto options = options_for("host=127.0.0.1 user=x port=" + std::to_string(peer.port()));
    options.connect_timeout = milliseconds{500};
    const auto seen = Subject(options).server.observe(nullptr);
    EXPECT_EQ(seen.fault, fault) << name << ": " << seen.fault_text;
    EXPECT_FALSE(seen.fault_text.empty());
  }
}

TEST(ColdStart, SettingsAreReadWithoutAServer) {
  ScratchServer scratch({.start = false});
  scratch.write("postgresql.auto.conf", "ssl_cert_file = '/auto/server.crt'\n");
  auto options = options_for(scratch.conninfo());
  options.data_directory = scratch.data_directory();
  Subject subject(options);
  const auto seen = subject.server.observe(nullptr);
  EXPECT_EQ(seen.fault, ServerFault::down);
  ASSERT_TRUE(seen.known) << seen.fault_text;
  EXPECT_EQ(seen.version_num / 10000, 15U);
  EXPECT_EQ(seen.port, scratch.port());
  EXPECT_EQ(seen.listen_addresses, std::vector<std::string>{"127.0.0.1"});
  EXPECT_EQ(seen.setting("ssl"), "off");
  EXPECT_EQ(seen.setting("ssl_cert_file"), "/auto/server.crt");
  EXPECT_EQ(seen.auto_conf.at("ssl_cert_file"), "/auto/server.crt");
  EXPECT_EQ(seen.server_uid, server_account().uid);
  scratch.write("postgresql.auto.conf", "");
  scratch.start();
  EXPECT_EQ(subject.server.observe(&seen).system_identifier, seen.system_identifier);
}

TEST(ColdStart, DebiansConfigurationIsFound) {
  ScratchServer scratch({.start = false, .separate_config = true});
  const ScratchDirectory root;
  run({"mkdir", "-p", root / "15/other"});
  run({"ln", "-s", scratch.config_directory(), root / "15/main"});
  scratch.write(root / "15/other/postgresql.conf", "data_directory = '/elsewhere'\n", 0644);
  auto options = options_for(scratch.conninfo());
  options.data_directory = scratch.data_directory();
  options.debian_config_root = root.path();
  const auto seen = Subject(options).server.observe(nullptr);
  ASSERT_TRUE(seen.known) << seen.fault_text;
  EXPECT_EQ(seen.port, scratch.port());
  EXPECT_EQ(seen.config_file, root / "15/main/postgresql.conf");
}

TEST(ColdStart, ABadDataDirectoryIsSaid) {
  const ScratchDirectory directory;
  auto options = options_for("host=" + directory.path() + " user=x");
  options.debian_config_root = directory.path();
  options.data_directory = directory / "missing";
  EXPECT_THAT(Subject(options).server.observe(nullptr).fault_text, HasSubstr("PG_VERSION"));
  options.data_directory = directory.path();
  for (const std::string version : {"", "9.6\n", "abc\n", "../../bin\n"}) {
    ScratchServer({.start = false}).write(directory / "PG_VERSION", version, 0644);
    const auto seen = Subject(options).server.observe(nullptr);
    EXPECT_FALSE(seen.known);
    EXPECT_THAT(seen.fault_text, HasSubstr("PG_VERSION"));
  }
  ScratchServer({.start = false}).write(directory / "PG_VERSION", "15\n", 0644);
  EXPECT_THAT(Subject(options).server.observe(nullptr).fault_text, HasSubstr("no postgresql.conf"));
}

}  // namespace
}  // namespace pgcertd::testing
