// Covers lib/core/hba.cpp: what each kind of row of pg_hba.conf means, alone and in its order.
#include "core/hba.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcertd::hba_tests {   // of its own: a unity build puts all tests into one unit
namespace {


using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Row {
  std::string type, address, method;
  std::vector<std::string> options{}, databases{"all"}, users{"all"};
};

// Splits "10.0.0.0/8"-like addresses as the view does.
HbaRule rule(std::uint32_t line, const Row& row) {
  static const std::map<std::string, std::string> masks{{"8", "255.0.0.0"}, {"0", "0.0.0.0"}, {"32", "255.255.255.255"}, {"::0", "::"},
                                                        {"128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"}, {"64", "ffff:ffff:ffff:ffff::"}};
  HbaRule out;
  out.line = line, out.type = row.type, out.method = row.method, out.options = row.options, out.databases = row.databases, out.users = row.users;
  const auto slash = row.address.find('/');
  out.address = row.address.substr(0, slash);
  if (slash == std::string::npos) return out;
  const std::string bits = row.address.substr(slash + 1);
  out.netmask = masks.at(bits == "0" && out.address.find(':') != std::string::npos ? "::0" : bits);
  return out;
}

PostgresSeen server(bool ssl = true) {
  PostgresSeen seen;
  seen.fault = ServerFault::none, seen.known = true, seen.version_num = 150018;
  seen.settings["ssl"].value = ssl ? "on" : "off";
  return seen;
}

// "code:line" of each finding.
std::vector<std::string> told(const std::vector<Row>& rows, const PostgresSeen& seen = server()) {
  std::vector<HbaRule> rules;
  for (const Row& row : rows) rules.push_back(rule(static_cast<std::uint32_t>(rules.size() + 1), row));
  std::vector<std::string> out;
  for (const Finding& f : judge_hba(seen, rules)) out.push_back(std::string{to_string(f.code)} + f.object.substr(f.object.find(':')));
  return out;
}

using List = std::vector<std::string>;

TEST(Hba, PlaintextFromOtherHostsIsTold) {
  EXPECT_EQ(told({{"host", "10.0.0.0/8", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"hostnossl", "10.0.0.0/8", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"hostnogssenc", "10.0.0.0/8", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"host", "all", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"host", "samenet", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"host", ".example.org", "scram-sha-256"}}), List{"hba-plaintext:1"});
  EXPECT_EQ(told({{"host", "fe80::/64", "scram-sha-256"}}), List{"hba-plaintext:1"});
  for (const Row& row : std::vector<Row>{{"hostssl", "10.0.0.0/8", "scram-sha-256"}, {"hostgssenc", "10.0.0.0/8", "gss"}, {"host", "10.0.0.0/8", "reject"}, {"local", "", "peer"},
                                         {"host", "127.0.0.1/32", "trust"}, {"host", "127.0.0.0/8", "trust"}, {"host", "::1/128", "trust"}, {"host", "samehost", "trust"}, {"host", "localhost", "trust"}})
    EXPECT_THAT(told({row}), IsEmpty()) << row.type << " " << row.address;
  EXPECT_EQ(told({{"host", "127.0.0.0/0", "scram-sha-256"}}), List{"hba-plaintext:1"}) << "a mask that lets all in";
  EXPECT_EQ(told({{"host", "::1/64", "scram-sha-256"}}), List{"hba-plaintext:1"});
}

TEST(Hba, TheFirstRowThatMatchesDecides) {
  const Row open{"host", "10.0.0.0/8", "scram-sha-256"};
  const Row reject{"hostnossl", "0.0.0.0/0", "reject"}, reject6{"hostnossl", "::/0", "reject"};
  EXPECT_THAT(told({reject, open}), IsEmpty());
  EXPECT_THAT(told({{"hostnossl", "all", "reject"}, open}), IsEmpty());
  EXPECT_THAT(told({{"hostnossl", "10.0.0.0/8", "reject"}, open}), IsEmpty());
  EXPECT_EQ(told({reject6, open}), List{"hba-plaintext:2"}) << "of the other family";
  EXPECT_EQ(told({{"hostnossl", "11.0.0.0/8", "reject"}, open}), List{"hba-plaintext:2"}) << "of another network with the same mask";
  EXPECT_EQ(told({{"hostnossl", "10.0.0.0/32", "reject"}, open}), List{"hba-plaintext:2"}) << "of one address of it";
  EXPECT_EQ(told({{"hostssl", "0.0.0.0/0", "reject"}, open}), List{"hba-plaintext:2"}) << "rejects TLS only";
  EXPECT_EQ(told({{"hostnossl", "0.0.0.0/0", "reject", {}, {"all"}, {"app"}}, open}), List{"hba-plaintext:2"}) << "for one role only";
  EXPECT_EQ(told({{"hostnossl", "0.0.0.0/0", "reject", {}, {"sales"}, {"all"}}, open}), List{"hba-plaintext:2"}) << "for one database only";
  EXPECT_THAT(told({{"hostnossl", "0.0.0.0/0", "reject", {}, {"sales", "hr"}, {"app"}}, {"host", "10.0.0.0/8", "scram-sha-256", {}, {"hr"}, {"app"}}}), IsEmpty());
  EXPECT_EQ(told({{"hostnossl", "0.0.0.0/0", "reject", {}, {"sales"}, {"app"}}, {"host", "10.0.0.0/8", "scram-sha-256", {}, {"sales", "hr"}, {"app"}}}), List{"hba-plaintext:2"});
  EXPECT_THAT(told({reject, reject6, {"host", "all", "scram-sha-256"}}), IsEmpty()) << "two families are all";
  EXPECT_EQ(told({reject, {"host", "all", "scram-sha-256"}}), List{"hba-plaintext:2"});
  EXPECT_EQ(told({reject, {"host", ".example.org", "scram-sha-256"}}), List{"hba-plaintext:2"}) << "a name may be of either family";
}

TEST(Hba, ARejectThatComesTooLateIsNamed) {
  const auto findings = [](const Row& late) { return judge_hba(server(), {rule(4, {"host", "10.0.0.0/8", "scram-sha-256"}), rule(9, late)}); };
  EXPECT_THAT(findings({"hostnossl", "0.0.0.0/0", "reject"}).front().message, HasSubstr("pg_hba.conf:9"));
  EXPECT_THAT(findings({"hostnossl", "10.0.0.0/8", "reject"}).front().remedy, HasSubstr("move pg_hba.conf:9 above it"));
  EXPECT_EQ(findings({"hostnossl", "::1/128", "reject"}).front().remedy, "write hostssl instead of host");
  EXPECT_EQ(findings({"hostnossl", "0.0.0.0/0", "reject", {}, {"sales"}}).front().remedy, "write hostssl instead of host");
  EXPECT_EQ(judge_hba(server(), {rule(1, {"hostnossl", "10.0.0.0/8", "md5"})}).front().remedy, "remove it, or write hostssl instead of hostnossl");
}

TEST(Hba, WeakMethodsOverTheNetworkAreTold) {
  EXPECT_EQ(told({{"hostssl", "10.0.0.0/8", "trust"}}), List{"hba-auth-weak:1"});
  EXPECT_EQ(told({{"hostssl", "10.0.0.0/8", "md5"}}), List{"hba-auth-weak:1"});
  EXPECT_EQ(told({{"hostssl", "10.0.0.0/8", "password"}}), List{"hba-auth-weak:1"});
  EXPECT_THAT(told({{"host", "127.0.0.1/32", "md5"}, {"local", "", "trust"}, {"hostssl", "10.0.0.0/8", "scram-sha-256"}}), IsEmpty());
  const auto severity = [](const Row& row) { return judge_hba(server(), {rule(1, row)}).back().severity; };
  EXPECT_EQ(severity({"hostssl", "all", "trust"}), Severity::critical);
  EXPECT_EQ(severity({"host", "all", "password"}), Severity::critical) << "in clear text";
  EXPECT_EQ(severity({"hostssl", "all", "password"}), Severity::warning);
  EXPECT_EQ(severity({"hostssl", "all", "md5"}), Severity::warning);
}

TEST(Hba, AFindingSaysTheRowAndWhatItDoes) {
  const auto message = [](const Row& row) { return judge_hba(server(), {rule(1, row)}).back().message; };
  EXPECT_THAT(message({"hostssl", "10.0.0.0/8", "md5"}), HasSubstr("`hostssl all all 10.0.0.0 255.0.0.0 md5`"));
  EXPECT_THAT(message({"hostssl", "10.0.0.0/8", "md5"}), HasSubstr("MD5 passwords"));
  EXPECT_THAT(message({"hostssl", "samenet", "password"}), HasSubstr("`hostssl all all samenet password`"));
  EXPECT_THAT(message({"hostssl", "samenet", "password"}), HasSubstr("hands the server the password itself"));
  HbaRule unreadable;
  unreadable.line = 3, unreadable.error = "end-of-line before authentication method";
  EXPECT_THAT(judge_hba(server(), {unreadable}).front().message, HasSubstr("the row"));
}

TEST(Hba, CertificatesNeedACa) {
  PostgresSeen with_ca = server();
  with_ca.settings["ssl_ca_file"].value = "root.crt";
  for (const Row& row : std::vector<Row>{{"hostssl", "all", "cert"}, {"hostssl", "all", "scram-sha-256", {"clientcert=verify-full"}}, {"hostssl", "all", "scram-sha-256", {"map=x", "clientcert=verify-ca"}}}) {
    EXPECT_EQ(told({row}), List{"hba-clientcert-without-ca:1"});
    EXPECT_THAT(told({row}, with_ca), IsEmpty());
  }
  EXPECT_THAT(told({{"hostssl", "all", "scram-sha-256", {"map=clientcert=1"}}, {"hostssl", "all", "scram-sha-256"}}), IsEmpty());
  EXPECT_FALSE(asks_for_certificate(rule(1, {"hostssl", "all", "scram-sha-256", {"clientcert=0"}})));
  EXPECT_FALSE(asks_for_certificate(rule(1, {"hostssl", "all", "scram-sha-256", {"clientcert=no-verify"}})));
}

TEST(Hba, RefusedRowsAreTold) {
  HbaRule bad = rule(7, {"hostssl", "all", "scram-sha-256"});
  bad.error = "invalid authentication method";
  EXPECT_THAT(judge_hba(server(), {bad}).front().message, HasSubstr("invalid authentication method"));
  HbaRule silent;
  silent.line = 3;
  EXPECT_THAT(judge_hba(server(), {silent}).front().message, HasSubstr("PostgreSQL 14"));
  EXPECT_THAT(told({{"host", "127.0.0.1/32", "scram-sha-256", {"clientcert=verify-ca"}}}), ::testing::Contains("hba-rejected:1"));
  bad.type = "host", bad.method = "trust";
  EXPECT_EQ(judge_hba(server(), {bad}).size(), 1U) << "it is not in force, so it lets nobody in";
}

TEST(Hba, HostsslIsOfNoUseWhileTlsIsOff) {
  HbaRule row;
  row.line = 5, row.error = "hostssl record cannot match because SSL is disabled";
  const auto findings = judge_hba(server(false), {row});
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().code, ProblemCode::ssl_off);
  EXPECT_EQ(findings.front().object, "pg_hba.conf:5");
  EXPECT_THAT(judge_hba(server(true), {row}), IsEmpty()) << "on again: the file was read before";
}

TEST(Hba, PlacesNameTheFileOfTheRow) {
  HbaRule row = rule(12, {"host", "all", "md5"});
  EXPECT_EQ(place_of(row), "pg_hba.conf:12");
  row.file = "/etc/postgresql/16/main/hba.d/app.conf";
  EXPECT_EQ(place_of(row), "app.conf:12");
  row.file = "plain";
  EXPECT_EQ(place_of(row), "plain:12");
}

TEST(Hba, ManyBadRowsAreToldOnlyInPart) {
  const std::vector<Row> rows(50, Row{"host", "10.0.0.0/8", "scram-sha-256"});
  EXPECT_EQ(told(rows).size(), 10U);
}

TEST(Hba, HostileTextIsShownSafely) {
  HbaRule row = rule(1, {"host", "all", "md5"});
  row.users = {"\x1b[2J" + std::string(1000, 'x')};
  const std::string message = judge_hba(server(), {row}).front().message;
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 400U);
}

}  // namespace
}  // namespace pgcertd::hba_tests
