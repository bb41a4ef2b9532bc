// Covers lib/x509/names.cpp and name_match.cpp.
#include <gmock/gmock.h>

#include "unit/x509/pki.hpp"

namespace pgcertd::x509 {
namespace {

using namespace testing;
using ::testing::HasSubstr;

TEST(CheckNames, TakesHostNamesAndAddresses) {
  for (const std::string& good : {std::string("db1"), std::string("db1.example.org"), std::string("*.example.org"), std::string("xn--bcher-kva.example"),
                                  std::string(63, 'a') + ".org", std::string("1.a"), std::string("3com.example.org")})
    EXPECT_TRUE(check_names({.dns = {good}, .ip = {}})) << good;
  EXPECT_TRUE(check_names({.dns = {}, .ip = {"10.0.0.5", "::1"}}));
}

TEST(CheckNames, NamesEachBadOne) {
  for (const std::string& bad :
       {std::string(), std::string("a..b"), std::string(".a"), std::string("a."), std::string("-a.org"), std::string("a-.org"), std::string("a_b.org"),
        std::string("a b"), std::string("*"), std::string("*."), std::string("a.*.org"), std::string("w*.example.org"), std::string("*.*.org"),
        std::string("a,DNS:b"), std::string("@sec"), std::string("b\xC3\xBC.org"), std::string("a\0b", 3), std::string("a\nb"), std::string(64, 'a') + ".org",
        std::string("10.0.0.5"), std::string("10.0.0.300"), std::string("127.1"), std::string("12345"), std::string("0x7f000001"), std::string("::1"),
        std::string("db1:5432"), std::string("https://db1"), std::string(300, 'a')})
    EXPECT_FALSE(check_names({.dns = {bad}, .ip = {}})) << bad;
  for (const std::string& bad : {std::string("db1"), std::string("10.0.0"), std::string("10.0.0.5/32"), std::string("[::1]"), std::string("::1%eth0"), std::string()})
    EXPECT_FALSE(check_names({.dns = {}, .ip = {bad}})) << bad;
  EXPECT_FALSE(check_names({}));
  const auto both = check_names({.dns = {"good.org", "a b"}, .ip = {"nonsense"}});
  ASSERT_FALSE(both);
  EXPECT_THAT(both.error().what, HasSubstr("\"a b\""));
  EXPECT_THAT(both.error().what, HasSubstr("\"nonsense\""));
}

TEST(NamesFrom, TellsTheKindsApartAndNormalises) {
  EXPECT_EQ(must(names_from({"DB1.Example.ORG", "10.0.0.5", "2001:DB8:0::1", "db1.example.org", "10.0.0.5"})),
            (Names{.dns = {"db1.example.org"}, .ip = {"10.0.0.5", "2001:db8::1"}}));
  EXPECT_EQ(must(names_from({})), Names{});
  EXPECT_FALSE(names_from({"good.org", "not good"}));
}

struct MatchCase {
  const char* what;
  std::vector<std::string> dns, ip;
  const char* cn;
  const char* host;
  bool matches;
};

TEST(NameMatches, AsLibpq15) {
  const std::vector<MatchCase> cases{
      {"exact", {"db1.example.org"}, {}, "", "db1.example.org", true},
      {"case", {"db1.example.org"}, {}, "", "DB1.Example.org", true},
      {"second name", {"a", "b"}, {}, "", "b", true},
      {"other", {"db1.example.org"}, {}, "", "db2.example.org", false},
      {"prefix", {"db1.example.org"}, {}, "", "db1.example.org.evil.org", false},
      {"trailing dot", {"db1.example.org"}, {}, "", "db1.example.org.", false},
      {"wildcard", {"*.example.org"}, {}, "", "db1.example.org", true},
      {"wildcard covers one label", {"*.example.org"}, {}, "", "a.db1.example.org", false},
      {"wildcard wants a label", {"*.example.org"}, {}, "", "example.org", false},
      {"wildcard wants a whole label", {"*.example.org"}, {}, "", ".example.org", false},
      {"wildcard in the middle", {"db.*.org"}, {}, "", "db.example.org", false},
      {"partial wildcard", {"db*.example.org"}, {}, "", "db1.example.org", false},
      {"CN without SAN", {}, {}, "db1.example.org", "db1.example.org", true},
      {"wildcard CN", {}, {}, "*.example.org", "db1.example.org", true},
      {"a dNSName switches the CN off", {"other.org"}, {}, "db1.example.org", "db1.example.org", false},
      {"an iPAddress does not", {}, {"10.0.0.5"}, "db1.example.org", "db1.example.org", true},
      {"address", {}, {"10.0.0.5"}, "", "10.0.0.5", true},
      {"other address", {}, {"10.0.0.5"}, "", "10.0.0.6", false},
      {"address in another spelling", {}, {"127.0.0.1"}, "", "127.1", true},
      {"IPv6", {}, {"2001:db8::1"}, "", "2001:0db8:0::1", true},
      {"IPv4-mapped is another address", {}, {"10.0.0.5"}, "", "::ffff:10.0.0.5", false},
      {"address as a dNSName", {"10.0.0.5"}, {}, "", "10.0.0.5", true},
      {"address as CN", {}, {}, "10.0.0.5", "10.0.0.5", true},
      {"address as CN beside a dNSName", {"db1.example.org"}, {}, "10.0.0.5", "10.0.0.5", true},
      {"an iPAddress switches the CN off for addresses", {}, {"10.0.0.6"}, "10.0.0.5", "10.0.0.5", false},
      {"IPv6 iPAddress switches it off, too", {}, {"::1"}, "10.0.0.5", "10.0.0.5", false},
      {"an iPAddress of a wrong length spoils all", {"db1"}, {"invalid:0a00"}, "db1", "db1", false},
      {"no host", {"db1"}, {}, "db1", "", false},
      {"no name at all", {}, {}, "", "db1", false},
  };
  for (const MatchCase& c : cases) {
    CertFacts facts;
    facts.names = {.dns = c.dns, .ip = c.ip};
    facts.common_name = c.cn;
    EXPECT_EQ(name_matches(facts, c.host), c.matches) << c.what;
  }
}

}  // namespace
}  // namespace pgcertd::x509
