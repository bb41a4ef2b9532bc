// Covers lib/postgres/conf_text.cpp, and what discovery.cpp splits.
#include "postgres/conf_text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "postgres/discovery.hpp"

namespace pgcertd::postgres {
namespace {

TEST(ConfText, ReadsLinesAsPostgresDoes) {
  struct Case {
    std::string text;
    std::vector<ConfLine> lines;
  };
  for (const auto& [text, lines] : std::vector<Case>{
           {"ssl = on", {{"ssl", "on"}}},
           {"  SSL on # comment\r\n", {{"ssl", "on"}}},
           {"a='it''s' \nb = 'x\\'y\\\\z'", {{"a", "it's"}, {"b", "x'y\\z"}}},
           {"a = '\\101\\n'", {{"a", "A\n"}}},
           {"a = '#no comment' # yes", {{"a", "#no comment"}}},
           {"# a = 1\n\n   \n=\n'x'\n", {}},
           {"a = 'open\nb = 1", {{"b", "1"}}},
           {"a = 1 2", {}},
           {"a =", {}},
           {"include_dir 'conf.d'", {{"include_dir", "conf.d"}}},
           {std::string("a = '\\"), {}},
       })
    EXPECT_EQ(parse_conf(text), lines) << text;
}

TEST(ConfText, QuotesSoThatItReadsBack) {
  for (const std::string value : {"", "plain", "it's", "back\\slash", "\\'", "#", "ü", "a b"}) {
    const auto quoted = quote_conf(value);
    ASSERT_TRUE(quoted);
    EXPECT_EQ(parse_conf("x = " + *quoted), (std::vector<ConfLine>{{"x", value}}));
  }
  for (const std::string bad : {"a\nssl = off", "\r", "\x7f", "\x01"}) EXPECT_FALSE(quote_conf(bad));
  EXPECT_FALSE(quote_conf(std::string("\0", 1)));
}

TEST(ConfText, TheLastIncludeDirWinsUnlessOverridden) {
  struct Case {
    std::string text;
    std::optional<std::string> directory;
  };
  for (const auto& [text, directory] : std::vector<Case>{
           {"ssl = on\ninclude_dir = 'conf.d'\nport = 1\n", "conf.d"},
           {"include_dir = 'a'\ninclude_dir = 'b'\n", "b"},
           {"include_dir = 'a'\nssl = on\n", std::nullopt},
           {"include_dir = 'a'\ninclude 'x.conf'\n", std::nullopt},
           {"include_dir = 'a'\ninclude_if_exists 'x.conf'\n", std::nullopt},
           {"ssl = on\n", std::nullopt},
           {"#include_dir = 'conf.d'\n", std::nullopt},
       })
    EXPECT_EQ(winning_include_dir(parse_conf(text), {"ssl", "ssl_cert_file"}), directory) << text;
}

TEST(ConfText, OwnFileKeepsManagedLinesOnly) {
  const std::map<std::string, std::string> values{{"ssl", "on"}, {"ssl_cert_file", "/a'b"}};
  const auto text = own_file_text(values, "/var/lib/pgcertd/clusters/main");
  ASSERT_TRUE(text);
  EXPECT_EQ(parse_own_file(*text), values);
  EXPECT_EQ(own_file_cluster(*text), "/var/lib/pgcertd/clusters/main");
  EXPECT_EQ(own_file_cluster("ssl = on\n"), "");
  EXPECT_TRUE(parse_own_file("ssl_passphrase_command = 'rm -rf /'\nport = 1\n").empty());
}

TEST(Discovery, ListenAddressesAndVersions) {
  EXPECT_EQ(split_listen_addresses(" localhost ,10.0.0.5,\"db\""), (std::vector<std::string>{"localhost", "10.0.0.5", "db"}));
  EXPECT_TRUE(split_listen_addresses(" , ").empty());
  EXPECT_EQ(version_text(150018), "15.18");
  EXPECT_EQ(version_text(90624), "9.6.24");
}

}  // namespace
}  // namespace pgcertd::postgres
