// Covers lib/postgres/conninfo.cpp and failure.cpp.
#include "postgres/conninfo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace pgcertd::postgres {
namespace {

using ::testing::HasSubstr;

TEST(Conninfo, TellsWhereItConnects) {
  using Kind = Target::Kind;
  struct Case {
    std::string text;
    std::vector<Kind> kinds;
  };
  for (const auto& [text, kinds] : std::vector<Case>{
           {"host=/run/postgresql user=p", {Kind::unix_socket}},
           {"host=@abstract", {Kind::unix_socket}},
           {"user=p", {Kind::unix_socket}},
           {"host=localhost", {Kind::loopback}},
           {"host=127.0.0.9", {Kind::loopback}},
           {"host=::1", {Kind::loopback}},
           {"postgresql://p@[::1]:5433/postgres", {Kind::loopback}},
           {"host=db.example.org hostaddr=127.0.0.1", {Kind::loopback}},
           {"host=/a,127.0.0.1 port=1,2", {Kind::unix_socket, Kind::loopback}},
           {"host=db.example.org sslmode=verify-full", {Kind::remote}},
       }) {
    const auto parsed = parse_conninfo(text, "");
    ASSERT_TRUE(parsed) << text << parsed.error().error.text();
    std::vector<Kind> seen;
    for (const auto& target : parsed->targets) seen.push_back(target.kind);
    EXPECT_EQ(seen, kinds) << text;
  }
}

TEST(Conninfo, RefusesWhatIsUnsafeOrWrong) {
  struct Case {
    std::string text;
    ServerFault fault;
    std::string says;
  };
  for (const auto& [text, fault, says] : std::vector<Case>{
           {"host=db.example.org", ServerFault::insecure, "verify-full"},
           {"host=10.0.0.5 sslmode=require", ServerFault::insecure, "10.0.0.5"},
           {"hostaddr=10.0.0.5 host=localhost", ServerFault::insecure, "localhost"},
           {"host=localhost,10.0.0.5", ServerFault::insecure, "10.0.0.5"},
           {"host=/run password=geheim", ServerFault::insecure, "password"},
           {"postgresql://p:geheim@localhost/x", ServerFault::insecure, "password"},
           {"host=a,b hostaddr=127.0.0.1", ServerFault::other, "numbers of servers"},
           {"host=/run port=1,2,3", ServerFault::other, "numbers of servers"},
           {"hots=/run", ServerFault::other, "hots"},
           {"host='unclosed", ServerFault::other, "conninfo"},
       }) {
    const auto parsed = parse_conninfo(text, "");
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().fault, fault) << text;
    EXPECT_THAT(parsed.error().error.text(), HasSubstr(says));
    EXPECT_THAT(parsed.error().error.text(), ::testing::Not(HasSubstr("geheim")));
    if (fault == ServerFault::insecure) {
      EXPECT_FALSE(parsed.error().error.remedy.empty()) << text;
    }
  }
}

TEST(Conninfo, OverridesWhatWouldComeFromElsewhere) {
  const auto parsed = parse_conninfo("service=x passfile=/etc/shadow options='-c role=y' application_name=z host=/run", "postgres");
  ASSERT_TRUE(parsed);
  const auto parameters = parsed->parameters();
  EXPECT_FALSE(parameters.contains("service"));
  EXPECT_EQ(parameters.at("passfile"), "/dev/null/none");
  EXPECT_EQ(parameters.at("application_name"), "pgcertd");
  EXPECT_THAT(parameters.at("options"), HasSubstr("search_path=pg_catalog"));
  EXPECT_THAT(parameters.at("options"), ::testing::Not(HasSubstr("role")));
  EXPECT_EQ(parameters.at("requirepeer"), "postgres");
  EXPECT_EQ(parameters.at("host"), "/run");
}

TEST(Conninfo, WritesSeveralTargetsInLibpqsForm) {
  const auto parsed = parse_conninfo("host=/a,localhost hostaddr=,127.0.0.1 port=1,2", "");
  ASSERT_TRUE(parsed);
  const auto parameters = parsed->parameters();
  EXPECT_EQ(parameters.at("host"), "/a,localhost");
  EXPECT_EQ(parameters.at("hostaddr"), ",127.0.0.1");
  EXPECT_EQ(parameters.at("port"), "1,2");
}

TEST(Environment, OnlyPostgresOwnVariablesGo) {
  for (const char* name : {"PGHOST", "PGSERVICE", "PGPASSFILE", "PGCERTD_FAULT"}) setenv(name, "x", 1);
  ignore_pg_environment();
  EXPECT_EQ(getenv("PGHOST"), nullptr);
  EXPECT_EQ(getenv("PGSERVICE"), nullptr);
  EXPECT_EQ(getenv("PGPASSFILE"), nullptr);
  EXPECT_STREQ(getenv("PGCERTD_FAULT"), "x");
  unsetenv("PGCERTD_FAULT");
}

TEST(Failures, SqlstateIsFoundInAnyLanguage) {
  EXPECT_EQ(sqlstate_in("connection to server on socket \"/x\" failed: FATAL:  57P03: the database system is starting up\nLOCATION:  f, a.c:1\n"), "57P03");
  EXPECT_EQ(sqlstate_in("SCHWERWIEGEND:  28P01: Passwort"), "28P01");
  EXPECT_EQ(sqlstate_in("Connection refused\n\tIs the server running?"), "");
  EXPECT_EQ(sqlstate_in("FATAL:  abc"), "");
  EXPECT_EQ(sqlstate_in(":  "), "");
}

TEST(Failures, EachSqlstateHasItsFault) {
  EXPECT_EQ(fault_of("57P03"), ServerFault::starting);
  EXPECT_EQ(fault_of("53300"), ServerFault::too_many_connections);
  EXPECT_EQ(fault_of("28P01"), ServerFault::auth_failed);
  EXPECT_EQ(fault_of("28000"), ServerFault::auth_failed);
  EXPECT_EQ(fault_of("57P01"), ServerFault::down);
  EXPECT_EQ(fault_of("3D000"), ServerFault::other);
}

TEST(Failures, MessagesBecomeOnePrintableLine) {
  EXPECT_EQ(one_line("FATAL:  57P03: starting\n\tHINT\n\nLOCATION:  f, a.c:1\n"), "FATAL: 57P03: starting HINT");
  EXPECT_THAT(one_line("a\x1b[31mb"), ::testing::Not(HasSubstr("\x1b")));
  EXPECT_EQ(one_line(""), "");
}

}  // namespace
}  // namespace pgcertd::postgres
