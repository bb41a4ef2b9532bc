#include "config/conninfo.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgcertd::config {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Conninfo, IsReadAsLibpqReadsIt) {
  struct Row {
    const char* text;
    ConninfoValues values;
  };
  const std::vector<Row> rows{
      {"", {}},
      {"  ", {}},
      {"host=/run/postgresql port=5432", {{"host", "/run/postgresql"}, {"port", "5432"}}},
      {"host = a\tport\n=\r5", {{"host", "a"}, {"port", "5"}}},
      {"user='a b' dbname='c\\'d\\\\'", {{"user", "a b"}, {"dbname", "c'd\\"}}},
      {"user=a\\ b dbname=c\\\\", {{"user", "a b"}, {"dbname", "c\\"}}},
      {"user= dbname=x", {{"user", "dbname=x"}}},              // libpq skips the spaces after "="
      {"user='' dbname=x", {{"user", ""}, {"dbname", "x"}}},
      {"port=1 port=2", {{"port", "2"}}},
      {"user=x\\", {{"user", "x"}}},
      {"postgresql://", {}},
      {"postgres://h", {{"host", "h"}}},
      {"postgresql://u@h:1/d", {{"user", "u"}, {"host", "h"}, {"port", "1"}, {"dbname", "d"}}},
      {"postgresql://u:p%40@h", {{"user", "u"}, {"password", "p@"}, {"host", "h"}}},
      {"postgresql://u:@h", {{"user", "u"}, {"host", "h"}}},
      {"postgresql://[2001:db8::1]:5433/d?sslmode=verify-full&connect_timeout=3",
       {{"host", "2001:db8::1"}, {"port", "5433"}, {"dbname", "d"}, {"sslmode", "verify-full"}, {"connect_timeout", "3"}}},
      {"postgresql://%2Frun%2Fpostgresql/d", {{"host", "/run/postgresql"}, {"dbname", "d"}}},
      {"postgresql:///d?host=/tmp&p%61ssword=x", {{"dbname", "d"}, {"host", "/tmp"}, {"password", "x"}}},
      {"postgresql://h?port=1&", {{"host", "h"}, {"port", "1"}}},
      {"postgresql://h?ssl=true", {{"host", "h"}, {"sslmode", "require"}}},
      {"postgresql://a,b:2", {{"host", "a,b"}, {"port", ",2"}}},
      {"postgresql://a:1,b:2/", {{"host", "a,b"}, {"port", "1,2"}}},
  };
  for (const auto& [text, values] : rows) {
    const auto parsed = conninfo_values(text);
    ASSERT_TRUE(parsed) << text << ": " << parsed.error().what;
    EXPECT_EQ(*parsed, values) << text;
  }
}

TEST(Conninfo, RefusesWhatLibpqCouldNotRead) {
  for (const char* text : {"host", "host port=1", "=x", "user='open", "user='open\\'", "user='it''s'", "/run/postgresql",
                           "postgresql://[::1", "postgresql://[::1]x", "postgresql://h?x", "postgresql://h/%", "postgresql://h/%4",
                           "postgresql://h/%zz", "postgresql://h/%00", "prot=5432", "HOST=x"}) {
    const auto checked = checked_conninfo(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_FALSE(checked.error().remedy.empty()) << text;
  }
  EXPECT_THAT(checked_conninfo("prot=5432").error().remedy, HasSubstr("port"));
  EXPECT_FALSE(checked_conninfo(""));
  EXPECT_FALSE(checked_conninfo(" \t"));
}

TEST(Conninfo, SecretsAreRefusedWhereverTheyHideAndNeverRepeated) {
  for (const char* text : {"host=x password=hunter2",
                           "password = 'hunter2'",
                           "host=x pass\\word=hunter2",
                           "service=hunter2",
                           "passfile=/hunter2",
                           "sslpassword=hunter2",
                           "servicefile=/hunter2",
                           "scram_client_key=hunter2",
                           "oauth_client_secret=hunter2",
                           "sslkeylogfile=/hunter2",
                           "postgresql://u:hunter2@h/d",
                           "postgres://u:hunter2@h",
                           "postgresql://h/d?password=hunter2",
                           "postgresql://h?p%61ssword=hunter2",
                           "postgresql://h/d?sslpassword=hunter2",
                           "dbname='password=hunter2'",
                           "dbname=postgresql://u:hunter2@h",
                           "postgresql:///postgresql%3A%2F%2Fu%3Ahunter2@h",
                           "password",
                           "host=x password hunter2",
                           "password=my hunter2", "password=my hunter2 ", "password=a hunter2=b", "password='hunter2"}) {
    const auto checked = checked_conninfo(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_THAT(checked.error().what + checked.error().remedy, Not(HasSubstr("hunter2"))) << text;
  }
  for (const char* keyword : {"password", "passfile", "service", "sslpassword"})
    EXPECT_THAT(checked_conninfo(std::string(keyword) + "=x").error().remedy, HasSubstr("password = \"credential:NAME\""))
        << keyword;
}

TEST(Conninfo, OneServerHasOneAddress) {
  const auto address = [](const char* text) { return server_address(*conninfo_values(text)); };
  EXPECT_EQ(address("user=x"), "/run/postgresql port 5432");
  EXPECT_EQ(address("host=/var/run/postgresql/"), address("port=5432"));
  EXPECT_EQ(address("postgresql:///d?host=%2Frun%2Fpostgresql"), address(""));
  EXPECT_EQ(address("host=db1 hostaddr=10.0.0.1"), "10.0.0.1 port 5432");
  EXPECT_NE(address("port=5433"), address("port=5432"));
}

}  // namespace
}  // namespace pgcertd::config
