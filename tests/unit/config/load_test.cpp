#include "config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "config/print.hpp"

namespace pgcertd {
namespace {

using testing::HasSubstr;

const std::string minimal = "[cluster.main]\nconninfo = 'host=/run/postgresql user=pgcertd'\n";

LoadedConfig load(const std::string& toml) { return parse_config({{.name = "pgcertd.toml", .bytes = toml}}); }

std::string all_text(const LoadedConfig& loaded) {
  std::string out;
  for (const auto& issue : loaded.issues) out += issue.text() + "\n";
  return out;
}

// One setting after `minimal`, in the cluster's table.
LoadedConfig with_setting(const std::string& setting) { return load(minimal + setting + "\n"); }

TEST(ParseConfig, NothingAtAllIsAConfigOfDefaults) {
  const auto loaded = parse_config({});
  ASSERT_TRUE(loaded.config);
  EXPECT_EQ(*loaded.config, Config{});
  EXPECT_EQ(*load("# nothing\n").config, Config{});
}

TEST(ParseConfig, TwoLinesMakeACluster) {
  const auto loaded = load(minimal);
  ASSERT_TRUE(loaded.config) << all_text(loaded);
  Config wanted;
  wanted.issuers["local"] = IssuerConfig{};
  wanted.issuers["local"].name = "local";
  wanted.issuers["local"].directory = "/var/lib/pgcertd/ca";
  auto& cluster = wanted.clusters["main"];
  cluster.name = "main";
  cluster.conninfo = "host=/run/postgresql user=pgcertd";
  cluster.issuer = "local";
  EXPECT_EQ(*loaded.config, wanted);
}

const char* const everything = R"(
[daemon]
state_directory = "/srv/state/"
runtime_directory = "/run//own"
check_interval = "1s"
control_group = "dba"
allowed_directories = ["/etc/ssl/one", "/etc/ssl/two"]
event_retention = "1d12h"
clock_bound = "10m"

[http]
listen = ["0.0.0.0:80", "[::1]:9847", "Status.Example.org:09847"]
hosts = ["DB1.example.org", "2001:DB8::0:5"]
issuer = "b-2"
client_ca = "/etc/ca.pem"

[issuer.a_1]
type = "offline"
directory = "/srv/offline"
passphrase = "file:/etc/secret"
crl_lifetime = "10s"
crl_url = "HTTP://pki.example.org:8080/a.crl?x=%20"
root_certificate = "/etc/root.pem"
request_lead = "2d"
runway_warning = "3d"
runway_critical = "3d"

[issuer.b-2]
passphrase = "credential:ca.key"

[issuer.c]
type = "self-signed"

[crl.partner]
urls = ["https://pki.example.org/partner.crl", "http://[2001:db8::1]/x"]

[cluster.one]
conninfo = "postgresql://pgcertd@[::1]:5433/postgres?sslmode=verify-full"
password = "credential:one"
data_directory = "/srv/data"
server_user = "postgres"
issuer = "a_1"
names = ["DB1.Example.org", "*.example.org", "10.0.0.5", "2001:DB8:0:0::5", "db1.example.org", "::ffff:10.0.0.6"]
key_type = "rsa-4096"
lifetime = "10s"
renew_at = 0.5
takeover = "always"
layout = "in-place"
enable_ssl = false
client_ca = "merge"
crl_max_entries = 5
on_foreign_change = "replace"
reload = "systemd:postgresql@15-main"
reload_guard = "wait"
restart = "window"
restart_window = "Sat,Sun 23:00-01:00, Mon..Fri 01:00-02:00,03:00-04:00"
restart_command = "systemd:postgresql.service"
endpoints = ["10.0.0.5:5433", "::1", "db1"]

[cluster.two]
conninfo = "host = '/tmp/a b' port=5434 user = it\\'s"
issuer = "c"
client_ca = "off"
reload = "signal"
restart = "when-required"
restart_command = "pg_ctl"
reload_guard = "off"
)";

TEST(ParseConfig, ReadsEveryKey) {
  const auto loaded = load(everything);
  ASSERT_TRUE(loaded.config) << all_text(loaded);
  const Config& c = *loaded.config;
  EXPECT_EQ(c.daemon.state_directory, "/srv/state");
  EXPECT_EQ(c.daemon.runtime_directory, "/run/own");
  EXPECT_EQ(c.daemon.check_interval, std::chrono::seconds{1});
  EXPECT_EQ(c.daemon.control_group, "dba");
  EXPECT_EQ(c.daemon.allowed_directories, (std::vector<std::string>{"/etc/ssl/one", "/etc/ssl/two"}));
  EXPECT_EQ(c.daemon.event_retention, hours{36});
  EXPECT_EQ(c.daemon.clock_bound, minutes{10});
  EXPECT_EQ(c.http.listen, (std::vector<std::string>{"0.0.0.0:80", "[::1]:9847", "status.example.org:9847"}));
  EXPECT_EQ(c.http.hosts, (std::vector<std::string>{"db1.example.org", "2001:db8::5"}));
  EXPECT_EQ(c.http.issuer, "b-2");
  EXPECT_EQ(c.http.client_ca, "/etc/ca.pem");

  const IssuerConfig offline{.name = "a_1",
                             .type = IssuerType::offline,
                             .directory = "/srv/offline",
                             .passphrase = {.kind = SecretSource::Kind::file, .name = "/etc/secret"},
                             .crl_lifetime = std::chrono::seconds{10},
                             .crl_url = "HTTP://pki.example.org:8080/a.crl?x=%20",
                             .root_certificate = "/etc/root.pem",
                             .request_lead = days{2},
                             .runway_warning = days{3},
                             .runway_critical = days{3}};
  EXPECT_EQ(c.issuers.at("a_1"), offline);
  EXPECT_EQ(c.issuers.at("b-2").directory, "/srv/state/ca");
  EXPECT_EQ(c.issuers.at("b-2").passphrase, (SecretSource{.kind = SecretSource::Kind::credential, .name = "ca.key"}));
  EXPECT_EQ(c.issuers.at("c").type, IssuerType::self_signed);
  EXPECT_EQ(c.issuers.at("c").directory, "");
  EXPECT_EQ(c.crls.at("partner").urls, (std::vector<std::string>{"https://pki.example.org/partner.crl", "http://[2001:db8::1]/x"}));

  const ClusterConfig one{
      .name = "one",
      .conninfo = "postgresql://pgcertd@[::1]:5433/postgres?sslmode=verify-full",
      .password = {.kind = SecretSource::Kind::credential, .name = "one"},
      .data_directory = "/srv/data",
      .server_user = "postgres",
      .issuer = "a_1",
      .names = {.dns = {"db1.example.org", "*.example.org"}, .ip = {"10.0.0.5", "2001:db8::5", "::ffff:10.0.0.6"}},
      .key_type = KeyType::rsa_4096,
      .lifetime = std::chrono::seconds{10},
      .renew_at = 0.5,
      .takeover = TakeoverPolicy::always,
      .layout = Layout::in_place,
      .enable_ssl = false,
      .client_ca = ClientCaPolicy::merge,
      .crl_max_entries = 5,
      .on_foreign_change = ForeignChangePolicy::replace,
      .reload = {.kind = ReloadMethod::Kind::systemd, .unit = "postgresql@15-main.service"},
      .reload_guard = ReloadGuard::wait,
      .restart = RestartPolicy::window,
      .restart_window = "Sat,Sun 23:00-01:00, Mon..Fri 01:00-02:00,03:00-04:00",
      .restart_command = {.kind = RestartCommand::Kind::systemd, .unit = "postgresql.service"},
      .endpoints = {"10.0.0.5:5433", "[::1]:5432", "db1:5432"}};
  EXPECT_EQ(c.clusters.at("one"), one);
  const ClusterConfig& two = c.clusters.at("two");
  EXPECT_EQ(two.client_ca, ClientCaPolicy::off);
  EXPECT_EQ(two.reload.kind, ReloadMethod::Kind::signal);
  EXPECT_EQ(two.reload_guard, ReloadGuard::off);
  EXPECT_EQ(two.restart, RestartPolicy::when_required);
  EXPECT_EQ(two.restart_command.kind, RestartCommand::Kind::pg_ctl);
}

TEST(ToToml, IsReadBackAsTheSame) {
  for (const std::string& toml : {std::string(), minimal, std::string(everything)}) {
    const auto loaded = load(toml);
    ASSERT_TRUE(loaded.config) << all_text(loaded);
    const auto again = load(to_toml(*loaded.config));
    ASSERT_TRUE(again.config) << all_text(again) << to_toml(*loaded.config);
    EXPECT_EQ(*again.config, *loaded.config);
  }
}

TEST(ToToml, HoldsEveryKeyOfEverySection) {
  const std::string printed = to_toml(*load(everything).config);
  for (const std::string& key : known_keys()) EXPECT_THAT(printed, HasSubstr("\n" + key.substr(key.rfind('.') + 1) + " = ")) << key;
}

TEST(ParseConfig, LaterFilesAddAndOverride) {
  const auto loaded =
      parse_config({{.name = "pgcertd.toml", .bytes = minimal + "names = ['a', 'b']\nlifetime = '30d'\n"},
                    {.name = "conf.d/10.toml", .bytes = "[cluster.main]\nnames = ['c']\n[cluster.other]\nconninfo = 'port=5433'\n"},
                    {.name = "conf.d/20.toml", .bytes = "cluster.main.key_type = 'ed25519'\n[daemon]\ncheck_interval = '5s'"}});
  ASSERT_TRUE(loaded.config) << all_text(loaded);
  const ClusterConfig& main = loaded.config->clusters.at("main");
  EXPECT_EQ(main.names.dns, std::vector<std::string>{"c"});
  EXPECT_EQ(main.lifetime, days{30});
  EXPECT_EQ(main.key_type, KeyType::ed25519);
  EXPECT_EQ(loaded.config->clusters.size(), 2U);
  EXPECT_EQ(loaded.config->daemon.check_interval, std::chrono::seconds{5});
}

TEST(ParseConfig, AnIssueNamesTheFileThatWroteTheKey) {
  const auto loaded = parse_config({{.name = "pgcertd.toml", .bytes = minimal + "lifetime = '30d'\n"},
                                    {.name = "conf.d/10.toml", .bytes = "\n[cluster.main]\n  lifetime = 'long'\n"}});
  ASSERT_EQ(loaded.issues.size(), 1U);
  EXPECT_FALSE(loaded.config);
  EXPECT_EQ(loaded.issues[0].text(),
            "conf.d/10.toml:3:3: cluster.main.lifetime: \"long\" is no duration: a number is missing (write it like 90d, 12h, 30m, "
            "45s or 1d12h)");
}

TEST(ParseConfig, AllIssuesAreSaidAtOnceEachAtItsPlace) {
  const auto loaded =
      load("[daemon]\ncheck_interval = '0s'\nclock_bund = '1m'\n[cluster.main]\nrenew_at = 2\nnames = ['ok', 'not ok']\n");
  ASSERT_EQ(loaded.issues.size(), 5U) << all_text(loaded);
  const auto at = [&](const std::string& key) {
    for (const auto& issue : loaded.issues)
      if (issue.key == key) return std::to_string(issue.line) + ":" + std::to_string(issue.column);
    return std::string("nowhere");
  };
  EXPECT_EQ(at("daemon.check_interval"), "2:1");
  EXPECT_EQ(at("daemon.clock_bund"), "3:1");
  EXPECT_EQ(at("cluster.main.conninfo"), "4:10");  // missing: the table's place
  EXPECT_EQ(at("cluster.main.renew_at"), "5:1");
  EXPECT_EQ(at("cluster.main.names[1]"), "6:16");
}

TEST(ParseConfig, BrokenTomlIsNamedInEachFileWithItsPlace) {
  struct Row {
    std::string toml;
    unsigned line, column;
  };
  for (const auto& [toml, line, column] : {Row{"[daemon\n", 1, 8}, Row{"a = 1\na = 2\n", 2, 5}, Row{"\nx = 'open\n", 2, 10},
                                           Row{"x = \xff\n", 1, 5}, Row{"x = 1 y = 2\n", 1, 7}, Row{"[a]\n[a]\n", 2, 1}}) {
    const auto loaded = load(toml);
    ASSERT_EQ(loaded.issues.size(), 1U) << toml;
    EXPECT_FALSE(loaded.config);
    EXPECT_EQ(loaded.issues[0].file, "pgcertd.toml");
    EXPECT_EQ(loaded.issues[0].line, line) << toml << loaded.issues[0].text();
    EXPECT_NEAR(loaded.issues[0].column, column, 3) << toml << loaded.issues[0].text();
  }
  EXPECT_EQ(parse_config({{.name = "a", .bytes = "["}, {.name = "b", .bytes = "]"}}).issues.size(), 2U);
}

TEST(ParseConfig, ASecretIsNotRepeatedEvenWhereTheTomlIsBroken) {
  for (const char* value : {"hunter2", "'hunter2", "\"hunter2", "hunter2'", "'x' hunter2", "[hunter2]", "'''hunter2", "\"\\hunter2\"",
                            "true hunter2", "{hunter2}"}) {
    const auto loaded = with_setting(std::string("password = ") + value);
    EXPECT_FALSE(loaded.config) << value;
    EXPECT_THAT(all_text(loaded), testing::Not(HasSubstr("hunter"))) << value;
  }
}

struct Refused {
  const char* toml;
  const char* key;
  const char* says;  // part of message and remedy
};

TEST(ParseConfig, RefusesKeysAndTypesThatDoNotExist) {
  const std::vector<Refused> rows{
      {"[clusters.main]", "clusters", "the nearest valid one is \"cluster\""},
      {"[daemon]\nstate_dir = '/x'", "daemon.state_dir", "the nearest valid one is \"state_directory\""},
      {"conninfo = 'x'", "conninfo", "it belongs in [cluster.NAME]"},
      {"[daemon]\nlisten = []", "daemon.listen", "it belongs in [http]"},
      {"[issuer.local]\nTYPE = 'local'", "issuer.local.TYPE", "\"type\""},
      {"daemon = 1", "daemon", "it must be a table, and is an integer"},
      {"cluster = []", "cluster", "it must be a table, and is an array"},
      {"[[cluster.main]]", "cluster.main", "it must be a table, and is an array"},
      {"cluster.conninfo = 'x'", "cluster.conninfo", "write [cluster.NAME] above the keys"},
      {"[daemon]\nstate_directory = 1", "daemon.state_directory", "it must be a string, and is an integer"},
      {"[daemon]\ncheck_interval = 60", "daemon.check_interval", "it must be a string, and is an integer"},
      {"[http]\nlisten = '127.0.0.1:1'", "http.listen", "it must be an array, and is a string"},
      {"[http]\nlisten = [1]", "http.listen[0]", "it must be a string, and is an integer"},
      {"[issuer.local]\ntype = 2026-01-01", "issuer.local.type", "is a date or time"},
      {"[cluster.Main]\nconninfo = 'port=1'", "cluster.Main", "a-z 0-9 _ -"},
      {"[cluster.\"a b\"]\nconninfo = 'port=1'", "cluster.a b", "a-z 0-9 _ -"},
      {"[cluster.\"a\\u202E\"]\nconninfo = 'port=1'", "cluster.a\\u{202e}", "a-z 0-9 _ -"},
      {"[issuer.\"\"]", "issuer.", "a-z 0-9 _ -"},
      {"[crl.p]", "crl.p.urls", "it is missing"},
      {"[crl.p]\nurls = []", "crl.p.urls", "the list is empty"},
  };
  for (const auto& [toml, key, says] : rows) {
    const auto loaded = load(toml);
    ASSERT_FALSE(loaded.issues.empty()) << toml;
    EXPECT_FALSE(loaded.config);
    EXPECT_EQ(loaded.issues[0].key, key) << toml;
    EXPECT_THAT(loaded.issues[0].text(), HasSubstr(says)) << toml;
  }
  const std::string long_name(64, 'a');
  EXPECT_FALSE(load("[cluster." + long_name + "]\nconninfo='port=1'").config);
  EXPECT_TRUE(load("[cluster." + long_name.substr(1) + "]\nconninfo='port=1'").config);
}

TEST(ParseConfig, RefusesValuesThatCannotBe) {
  const std::vector<Refused> rows{
      {"renew_at = 0.05", "renew_at", "between 0.05 and 0.95"},
      {"renew_at = 0.95", "renew_at", "between"},
      {"renew_at = nan", "renew_at", "between"},
      {"renew_at = -inf", "renew_at", "between"},
      {"renew_at = 1", "renew_at", "between"},
      {"renew_at = '0.5'", "renew_at", "it must be a number"},
      {"lifetime = '9s'", "lifetime", "10s is the least"},
      {"lifetime = '-90d'", "lifetime", "never negative"},
      {"lifetime = '36526d'", "lifetime", "36525d is the most"},
      {"lifetime = '90'", "lifetime", "its unit is missing"},
      {"lifetime = '90d '", "lifetime", "is no unit here"},
      {"key_type = 'ecdsa-p265'", "key_type", "the nearest one is \"ecdsa-p256\""},
      {"key_type = 'other'", "key_type", "is none of"},
      {"takeover = 'never'", "takeover", "ask, always"},
      {"layout = 'inplace'", "layout", "the nearest one is \"in-place\""},
      {"enable_ssl = 'yes'", "enable_ssl", "it must be a boolean, and is a string"},
      {"client_ca = 'on'", "client_ca", "auto, merge, off"},
      {"crl_max_entries = 0", "crl_max_entries", "not between 1"},
      {"crl_max_entries = -5", "crl_max_entries", "not between 1"},
      {"crl_max_entries = 1.5", "crl_max_entries", "it must be an integer"},
      {"on_foreign_change = ''", "on_foreign_change", "report, replace"},
      {"reload = 'pg_ctl'", "reload", "auto, sql, systemd:UNIT, signal"},
      {"reload = 'systemd:'", "reload", "no name of a service"},
      {"reload = 'systemd:a b'", "reload", "no name of a service"},
      {"reload = 'systemd:../x'", "reload", "no name of a service"},
      {"reload = 'systemd:pg.socket'", "reload", "no name of a service"},
      {"reload = 'systemd:postgresql@'", "reload", "no name of a service"},
      {"reload_guard = 'on'", "reload_guard", "report, wait, off"},
      {"restart = 'always'", "restart", "never, when-required, window"},
      {"restart = 'window'", "restart_window", "restart_window = \"Sun 02:00-04:00\""},
      {"restart_command = 'sql'", "restart_command", "auto, systemd:UNIT, pg_ctl"},
      {"password = 'hunter2'", "password", "a secret never stands in the configuration"},
      {"password = 'file:secret'", "password", "no absolute path"},
      {"password = 'credential:'", "password", "no name of a credential"},
      {"password = 'credential:a/b'", "password", "no name of a credential"},
      {"password = 'credential:..'", "password", "no name of a credential"},
      {"password = 'pkcs11:token=x'", "password", "a pkcs11: URI names a key"},
      {"data_directory = 'data'", "data_directory", "no absolute path"},
      {"data_directory = '/a/../b'", "data_directory", "write the path in full"},
      {"data_directory = '/'", "data_directory", "the root directory itself"},
      {"data_directory = \"/a\\u0000b\"", "data_directory", "a control character"},
      {"data_directory = \"/a\\nb\"", "data_directory", "a control character"},
      {"server_user = 'a b'", "server_user", "no name of a user"},
      {"server_user = '-x'", "server_user", "no name of a user"},
      {"server_user = '26'", "server_user", "no name of a user"},
      {"issuer = 'lokal'", "issuer", "the nearest one is \"local\""},
      {"issuer = 'A'", "issuer", "a-z 0-9 _ -"},
      {"endpoints = ['a:b']", "endpoints[0]", "no port between 1 and 65535"},
      {"endpoints = ['a:0']", "endpoints[0]", "no port"},
      {"endpoints = ['a:65536']", "endpoints[0]", "no port"},
      {"endpoints = ['a:+1']", "endpoints[0]", "no port"},
      {"endpoints = ['[a]:1']", "endpoints[0]", "brackets belong to IPv6"},
      {"endpoints = ['[::1]x']", "endpoints[0]", "no port"},
      {"endpoints = ['']", "endpoints[0]", "no host name"},
      {"endpoints = ['a:1', 'A:1']", "endpoints[1]", "it stands in the list already"},
  };
  for (const auto& [toml, key, says] : rows) {
    const auto loaded = with_setting(toml);
    ASSERT_EQ(loaded.issues.size(), 1U) << toml << "\n" << all_text(loaded);
    EXPECT_EQ(loaded.issues[0].key, std::string("cluster.main.") + key) << toml;
    EXPECT_THAT(loaded.issues[0].text(), HasSubstr(says)) << toml;
    EXPECT_THAT(loaded.issues[0].text(), testing::Not(HasSubstr("hunter2")));
  }
}

TEST(ParseConfig, RefusesNamesThatAreNoNames) {
  for (const std::string name :
       {"",    ".",     "a..b",         ".a",   "a.",        "-a",     "a-",          "a_b",    "a b", "ä.example.org",
        "*",   "*.",    "a.*.b",        "*a.b", "**.b",      "*.*.b",  "10.0.0.256",  "10.0.5", "1",   "a.5",
        "::g", "[::1]", "fe80::1%eth0", "a/b",  "https://a", "a:5432", "10.0.0.5/24", "a,DNS:b"})
    EXPECT_EQ(with_setting("names = ['" + name + "']").issues.size(), 1U) << name;
  EXPECT_FALSE(with_setting("names = ['" + std::string(64, 'a') + "']").config);
  EXPECT_FALSE(with_setting("names = ['" + std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + "." +
                            std::string(62, 'd') + "']")
                   .config);
  for (const std::string name : {"db1", "DB1", "1a", "3com.example", "xn--bcher-kva.example", "*.example.org", "*.internal",
                                 "10.0.0.5", "::", "::1", "2001:db8::5"})
    EXPECT_TRUE(with_setting("names = ['" + name + "']").config) << name;
}

TEST(ParseConfig, WindowsOfTime) {
  for (const std::string window :
       {"Sun 02:00-04:00", "Mon..Fri 01:00-02:00", "02:00-03:00", "Sat..Mon 23:30-00:30", "Sat,Sun 02:00-04:00",
        "Sat 02:00-04:00,Sun 03:00-04:00", "Sat 02:00-04:00, 05:00-06:00", "Mon..Wed,Fri 00:00-23:59"})
    EXPECT_TRUE(with_setting("restart_window = '" + window + "'").config)
        << window << all_text(with_setting("restart_window = '" + window + "'"));
  for (const std::string window : {"Sun", "Sunday 02:00-04:00", "sun 02:00-04:00", "Sun 2:00-4:00", "Sun 02:00", "Sun 02:00-24:00",
                                   "02:60-03:00", "02:00-02:00", "Sat,02:00-03:00", "Sun 02:00-04:00,", ",", "Mon.Fri 02:00-03:00",
                                   "Mon..Foo 02:00-03:00", "02:00-03:00 Sun", " "})
    EXPECT_EQ(with_setting("restart_window = '" + window + "'").issues.size(), 1U) << window;
}

TEST(ParseConfig, UrlsOfCrls) {
  for (const std::string url :
       {"ftp://a/b", "file:///etc/passwd", "ldap://a/b", "//a/b", "a/b", "http://", "http:///x", "http://user:secret@a/b",
        "http://a b/c", "http://a/ä", "http://a:x/", "http://a:/", "http://-a/", "javascript:alert(1)"}) {
    const auto loaded = load("[crl.p]\nurls = ['" + url + "']");
    EXPECT_EQ(loaded.issues.size(), 1U) << url;
    EXPECT_THAT(all_text(loaded), testing::Not(HasSubstr("secret")));
  }
  for (const std::string url : {"http://a", "https://a/b?c#d", "HTTPS://a:8443/b", "http://10.0.0.1/x", "http://[::1]:80/x"})
    EXPECT_TRUE(load("[crl.p]\nurls = ['" + url + "']").config) << url;
}

TEST(ParseConfig, AccountsThatTheHostHasNot) {
  const std::string toml = "[daemon]\ncontrol_group = 'dba'\n" + minimal + "server_user = 'pg'\n";
  const auto only = [](const std::string& known) { return [known](const std::string& name) { return name == known; }; };
  EXPECT_TRUE(load(toml).config);
  EXPECT_TRUE(parse_config({{.name = "pgcertd.toml", .bytes = toml}}, {only("pg"), only("dba")}).config);
  const auto loaded = parse_config({{.name = "pgcertd.toml", .bytes = toml}}, {only("postgres"), only("adm")});
  EXPECT_FALSE(loaded.config);
  EXPECT_THAT(all_text(loaded), testing::AllOf(HasSubstr("pgcertd.toml:2:1: daemon.control_group: this host has no group \"dba\""),
                                               HasSubstr("pgcertd.toml:5:1: cluster.main.server_user: this host has no user \"pg\"")));
}

TEST(ParseConfig, ARuntimeDirectoryThatIsTooLongForASocket) {
  const auto of = [](std::size_t length) { return load("[daemon]\nruntime_directory = '/" + std::string(length - 1, 'r') + "'\n"); };
  EXPECT_TRUE(of(94).config);
  EXPECT_THAT(all_text(of(95)), HasSubstr("too long for the path of a socket"));
}

TEST(WrittenRuntimeDirectory, IsFoundWhateverElseIsWrong) {
  const auto written = [](const std::string& text) { return written_runtime_directory({{.name = "a", .bytes = text}}); };
  EXPECT_EQ(written("[daemon\n  runtime_directory=\"/run/a/\" # here\n]["), "/run/a");
  EXPECT_EQ(written("daemon.runtime_directory = '/run/a'"), "/run/a");
  EXPECT_EQ(written("runtime_directory = '/run/a'\nruntime_directory = 'b'\n"), "/run/a");
  EXPECT_EQ(written_runtime_directory({{.name = "a", .bytes = "runtime_directory = '/a'"}, {.name = "b", .bytes = "runtime_directory = '/b'"}}), "/b");
  for (const char* nothing : {"", "runtime_directory", "runtime_directory =", "runtime_directory = '/a", "runtime_directory = 5", "#runtime_directory = '/a'", "runtime_directory_ = '/a'"})
    EXPECT_EQ(written(nothing), "") << nothing;
}

TEST(ParseConfig, WhatTwoKeysTogetherMakeImpossible) {
  const std::string two = minimal + "[cluster.other]\nconninfo = 'port=5433'\n";
  struct Row {
    std::string toml;
    const char* key;
    const char* says;
  };
  const std::vector<Row> rows{
      {minimal + "[cluster.other]\nconninfo = 'dbname=x user=other'", "cluster.other.conninfo",
       "the same server as that of cluster \"main\""},
      {minimal + "[cluster.other]\nconninfo = 'host=/var/run/postgresql/'", "cluster.other.conninfo", "the same server"},
      {minimal + "[cluster.other]\nconninfo = 'host=/var/../run//postgresql/./'", "cluster.other.conninfo", "the same server"},
      {minimal + "[cluster.other]\nconninfo = 'port=05432'", "cluster.other.conninfo", "the same server"},
      {two + "[cluster.third]\nconninfo = 'host=DB port=1'\n[cluster.z]\nconninfo = 'host=db port=1'", "cluster.z.conninfo", "the same server"},
      {minimal + "[cluster.other]\nconninfo = 'postgresql://%2Frun%2Fpostgresql/x'", "cluster.other.conninfo", "the same server"},
      {two + "data_directory = '/d'\n[cluster.third]\nconninfo = 'port=1'\ndata_directory = '/d/'", "cluster.third.data_directory",
       "are the same"},
      {two + "data_directory = '/d'\n[cluster.third]\nconninfo = 'port=1'\ndata_directory = '/d/e'", "cluster.third.data_directory",
       "lie in one another"},
      {minimal + "data_directory = '/var/lib'", "cluster.main.data_directory", "the state directory"},
      {minimal + "data_directory = '/d'\n[issuer.local]\ndirectory = '/d/ca'", "cluster.main.data_directory",
       "the directory of issuer \"local\""},
      {minimal + "[issuer.local]\ndirectory = '/var/lib/pgcertd'", "issuer.local.directory", "are the same"},
      {minimal + "[issuer.local]\ndirectory = '/var/lib'", "issuer.local.directory", "lie in one another"},
      {minimal + "[issuer.local]\ndirectory = '/var/lib/pgcertd/clusters/x'", "issuer.local.directory", "lie in one another"},
      {minimal + "[issuer.local]\ndirectory = '/var/lib/pgcertd/pending'", "issuer.local.directory", "lie in one another"},
      {minimal + "issuer='a'\n[issuer.a]\n[issuer.b]", "issuer.b.directory", "are the same"},
      {minimal + "[daemon]\nruntime_directory = '/var/lib/pgcertd'", "daemon.runtime_directory", "are the same"},
      {minimal + "[daemon]\nallowed_directories = ['/var']", "daemon.allowed_directories", "lie in one another"},
      {minimal + "[daemon]\nallowed_directories = ['/var/lib/pgcertd/ca']", "daemon.allowed_directories", "lie in one another"},
      {minimal + "[issuer.a]\n[issuer.b]\ntype='self-signed'", "cluster.main.issuer", "name one of a, b"},
      {minimal + "issuer = 'local'\n[issuer.loca]", "cluster.main.issuer", "the nearest one is \"loca\""},
      {"[http]\nissuer = 'x'", "http.issuer", "there is no issuer \"x\""},
      {"[http]\nclient_ca = '/ca.pem'", "http.client_ca", "set http.issuer"},
      {"[issuer.a]\nrunway_warning = '1d'", "issuer.a.runway_critical", "longer than runway_warning"},
      {"[issuer.a]\ntype = 'self-signed'\ndirectory = '/ca'", "issuer.a.directory", "no CA directory"},
  };
  for (const auto& [toml, key, says] : rows) {
    const auto loaded = load(toml);
    ASSERT_EQ(loaded.issues.size(), 1U) << toml << "\n" << all_text(loaded);
    EXPECT_EQ(loaded.issues[0].key, key) << toml;
    EXPECT_THAT(loaded.issues[0].text(), HasSubstr(says)) << toml;
    EXPECT_FALSE(loaded.config);
  }
  // Names that only begin alike are no nesting, and allowed directories may hold data directories.
  EXPECT_TRUE(load(minimal + "data_directory = '/var/lib/pgcertd2'\n[daemon]\nallowed_directories = ['/var/lib/pgcertd2']").config);
  EXPECT_TRUE(load(minimal + "[cluster.other]\nconninfo = 'host=/run/postgresql port=5433'").config);
  EXPECT_TRUE(load(minimal + "[cluster.other]\nconninfo = 'host=10.0.0.1'").config);
}

TEST(ParseConfig, AConsequenceOfARefusedValueIsNotSaidAgain) {
  EXPECT_EQ(load(minimal + "issuer = 'A B'\n[issuer.a]\n[issuer.b]\ndirectory='/b'").issues.size(), 1U);
  EXPECT_EQ(with_setting("restart = 'window'\nrestart_window = 'x'").issues.size(), 1U);
}

TEST(ParseConfig, DepthIsBoundedBeforeTheParserRecurses) {
  const auto many = [](std::size_t count, const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += text;
    return out;
  };
  for (const std::string& toml :
       {many(200'000, "a.") + "a = 1", "[" + many(200'000, "a.") + "a]", "x = " + many(100'000, "["), "x = " + many(100'000, "{a="),
        "x = [" + many(10'000, "\n{a=[") + "1", "\"\"\"\\\"\"\"\"\" = 1\n" + many(100'000, "a.") + "a=1"}) {
    const auto loaded = load(toml);
    EXPECT_FALSE(loaded.config);
    ASSERT_FALSE(loaded.issues.empty());
    EXPECT_GT(loaded.issues[0].line, 0U);
  }
  // Dots and brackets in strings and comments do not count.
  const auto loaded = load("# " + many(100, "[.") + "\n" + minimal +
                           "names = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6', "
                           "'10.0.0.7', '10.0.0.8', '10.0.0.9', \"10.0.0.10\", \"10.0.0.11\", \"a.b.c.d\"] # ...............\n");
  EXPECT_TRUE(loaded.config) << all_text(loaded);
}

}  // namespace
}  // namespace pgcertd
