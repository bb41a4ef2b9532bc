// lib/status/{json,health,metrics,page,openapi}.cpp
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "fake/sample_snapshot.hpp"
#include "status/health.hpp"
#include "status/html.hpp"
#include "status/json.hpp"
#include "status/metrics.hpp"
#include "status/openapi.hpp"
#include "status/page.hpp"
#include "status/problem_pages.hpp"
#include "unit/status/checkers.hpp"

namespace pgcertd::status {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

const BuildInfo build{.version = "0.1.0", .revision = "abc1234", .compiler = "g++ 12", .boot_id = "b00t"};

ProcessFacts process() {
  return {.cpu_seconds = 1.25, .resident_bytes = 12 << 20, .virtual_bytes = 90 << 20, .open_fds = 31, .max_fds = 1024, .threads = 9,
          .started_at = sample::now - days{12}};
}

std::string metrics(const Snapshot& s) {
  Counters counters;
  counters.http_requests = {{{"metrics", "200"}, 12}, {{"page", "200"}, 0}};
  return metrics_text(s, build, process(), counters);
}

// PGCERTD_ACCEPT=1 writes what is rendered now as what is expected from now on.
void expect_golden(const std::string& name, const std::string& actual) {
  const std::string path = std::string(PGCERTD_SOURCE_DIR) + "/tests/golden/status/" + name;
  if (std::getenv("PGCERTD_ACCEPT")) {
    std::ofstream(path, std::ios::binary) << actual;
    return;
  }
  std::ifstream in(path, std::ios::binary);
  std::ostringstream expected;
  expected << in.rdbuf();
  EXPECT_TRUE(expected.str() == actual) << name << " differs; look at it and accept with PGCERTD_ACCEPT=1:\n" << actual;
}

TEST(Golden, EveryRenderingOfAHealthyAndACriticalHost) {
  for (const auto& [name, snapshot] : {std::pair{"healthy", sample::healthy()}, std::pair{"critical", sample::critical()}}) {
    const std::string n = name;
    expect_golden(n + ".status.json", status_json(snapshot, build));
    expect_golden(n + ".rotations.json", rotations_json(snapshot));
    expect_golden(n + ".runway.json", runway_json(snapshot));
    expect_golden(n + ".health.json", health(snapshot, build, "", false)->body);
    expect_golden(n + ".metrics.txt", metrics(snapshot));
    expect_golden(n + ".page.html", page_html(snapshot, build, sample::now));
  }
}

std::vector<std::string> keys(const json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

// The contract with scripts: exactly these keys.
TEST(Json, StatusHasTheAgreedShape) {
  const json s = json::parse(status_json(sample::critical(), build));
  using testing::UnorderedElementsAre;
  EXPECT_THAT(keys(s), UnorderedElementsAre("schema", "version", "generated_at", "status", "clusters", "issuers", "http", "problems", "chain_head"));
  EXPECT_THAT(keys(s["http"]), UnorderedElementsAre("issuer", "client_certificates", "certificate", "served"));
  const json& c = s["clusters"][0];
  EXPECT_THAT(keys(c),
              UnorderedElementsAre("name", "status", "server", "certificate", "served", "crl", "rotation", "runway", "permissions", "sessions", "problems"));
  EXPECT_THAT(keys(c["server"]), UnorderedElementsAre("reachable", "version", "data_directory", "ssl", "pending_restart"));
  EXPECT_THAT(keys(c["certificate"]), UnorderedElementsAre("path", "serial", "fingerprint_sha256", "subject", "issuer", "names",
                                                           "not_before", "not_after", "key_type", "renew_at"));
  EXPECT_THAT(keys(c["served"][0]), UnorderedElementsAre("endpoint", "probed_at", "serial", "fingerprint_sha256", "not_after",
                                                         "tls_version", "matches_file", "verify"));
  EXPECT_THAT(keys(c["rotation"]),
              UnorderedElementsAre("stage", "need", "paused_until", "generation", "last_success_at", "last_error", "next_at"));
  EXPECT_THAT(keys(c["runway"]), UnorderedElementsAre("ends_at", "needed_at", "limited_by"));
  EXPECT_THAT(keys(c["problems"][0]), UnorderedElementsAre("code", "severity", "since", "object", "message", "remedy"));
  EXPECT_THAT(keys(c["permissions"][0]), UnorderedElementsAre("path", "setting", "actual", "expected", "verdict", "repaired_by_pgcertd", "remedy"));
  EXPECT_THAT(keys(c["sessions"]), UnorderedElementsAre("total", "tls", "plaintext_tcp", "unix_socket", "tls_versions", "older_than_rotation"));
  const json& i = s["issuers"][0];
  EXPECT_THAT(keys(i), UnorderedElementsAre("name", "type", "key_available", "certificate", "root", "crl", "root_crl", "pending_requests",
                                            "client_certificates"));
  EXPECT_THAT(keys(i["certificate"]), UnorderedElementsAre("not_before", "not_after", "renew_at"));
  EXPECT_THAT(keys(i["root"]), UnorderedElementsAre("fingerprint_sha256", "not_after"));
  EXPECT_THAT(keys(i["crl"]), UnorderedElementsAre("number", "next_update", "revoked"));
  EXPECT_THAT(keys(i["client_certificates"][0]), UnorderedElementsAre("role", "serial", "not_before", "not_after", "revoked", "state"));
  EXPECT_THAT(keys(i["pending_requests"][0]), UnorderedElementsAre("spki_sha256", "cluster", "since"));
  EXPECT_EQ(s["problems"].size(), 3U);   // the daemon's, the issuer's and the listener's
}

TEST(Json, WhatIsUnknownIsNull) {
  Snapshot s;
  s.clusters.resize(1);
  s.clusters[0].name = "main";
  s.issuers.resize(1);
  s.clusters[0].served.resize(1);
  const json j = json::parse(status_json(s, build));
  EXPECT_TRUE(j["generated_at"].is_null());
  EXPECT_EQ(j["status"], "unknown");
  const json& c = j["clusters"][0];
  for (const char* path :
       {"/server/version", "/server/ssl", "/server/pending_restart", "/certificate", "/rotation/last_error", "/rotation/next_at",
        "/runway/ends_at", "/runway/limited_by", "/sessions", "/served/0/serial", "/served/0/matches_file", "/served/0/probed_at"})
    EXPECT_TRUE(c.at(json::json_pointer(path)).is_null()) << path;
  EXPECT_EQ(c["server"]["reachable"], false);
  for (const char* key : {"certificate", "root", "crl"}) EXPECT_TRUE(j["issuers"][0][key].is_null()) << key;
}

TEST(Json, ClusterByName) {
  EXPECT_FALSE(cluster_json(sample::healthy(), "other").has_value());
  EXPECT_EQ(json::parse(*cluster_json(sample::healthy(), "main"))["cluster"]["name"], "main");
  EXPECT_EQ(json::parse(clusters_json(sample::critical()))["clusters"].size(), 2U);
}

TEST(Json, EventsTellWhereToGoOn) {
  EXPECT_TRUE(json::parse(events_json({}))["next"].is_null());
  const json j = json::parse(
      events_json({{1, sample::now, "main", "rotation-proved", "m", {{"serial", "7e"}}}, {9, sample::now, "", "x", "\xff", {}}}));
  EXPECT_EQ(j["next"], 9);
  EXPECT_EQ(j["schema"], 1);
  EXPECT_EQ(j["events"].size(), 2U);
  EXPECT_EQ(j["events"][0]["fields"]["serial"], "7e");
  EXPECT_TRUE(j["events"][1]["cluster"].is_null());
  EXPECT_EQ(j["events"][1]["message"], "\\xff");
}

TEST(Json, PlanTellsStepAndReasons) {
  Plan plan;
  plan.need = Need::due;
  plan.stage = Stage::staged;
  plan.action = action::Publish{"20260101T000000Z-00"};
  plan.reasons = {"its renewal time has come"};
  plan.findings = {finding(ProblemCode::cert_renewal_overdue, "m", "r")};
  const json j = json::parse(plan_json(plan));
  EXPECT_EQ(j["need"], "due");
  EXPECT_EQ(j["action"]["name"], "publish");
  EXPECT_EQ(j["reasons"][0], "its renewal time has come");
  EXPECT_EQ(j["findings"][0]["code"], "cert-renewal-overdue");
  EXPECT_TRUE(j["renew_at"].is_null());
  EXPECT_TRUE(json::parse(plan_json(Plan{}))["action"].is_null());
}

TEST(Health, StatusAndThresholds) {
  struct Row { Severity severity; bool fail_on_warn; const char* word; bool healthy; };
  for (const Row& row : {Row{Severity::ok, false, "pass", true}, Row{Severity::ok, true, "pass", true},
                         Row{Severity::warning, false, "warn", true}, Row{Severity::warning, true, "fail", false},
                         Row{Severity::critical, false, "fail", false}, Row{Severity::unknown, false, "fail", false}}) {
    Snapshot s = sample::healthy();
    s.status = s.clusters[0].status = row.severity;
    for (const char* which : {"", "main"}) {
      const auto h = health(s, build, which, row.fail_on_warn);
      ASSERT_TRUE(h);
      EXPECT_EQ(h->healthy, row.healthy) << to_string(row.severity);
      EXPECT_EQ(json::parse(h->body)["status"], row.word);
      EXPECT_EQ(json::parse(h->body)["checks"]["cluster:main"][0]["status"], row.word);
    }
  }
  EXPECT_FALSE(health(sample::healthy(), build, "other", false));
  const auto one = health(sample::critical(), build, "reporting", false);
  EXPECT_EQ(json::parse(one->body)["checks"].size(), 1U);
}

TEST(Metrics, WellFormedAndNeverDoubled) {
  Snapshot doubled = sample::critical();
  doubled.clusters[0].served.push_back(doubled.clusters[0].served[0]);
  doubled.clusters[0].files.push_back(doubled.clusters[0].files[0]);
  doubled.tasks.push_back(doubled.tasks[0]);
  for (const Snapshot& s : {sample::healthy(), sample::critical(), sample::hostile(), Snapshot{}, doubled})
    EXPECT_EQ(check::metrics_fault(metrics(s)), "");
}

TEST(Metrics, CheckerFindsFaults) {
  const std::string head = "# HELP a_b text\n# TYPE a_b gauge\n";
  EXPECT_EQ(check::metrics_fault(head + "a_b{x=\"1\"} 1\na_b 2\n"), "");
  for (const std::string& bad :
       {head + "a_b 1\na_b 2\n", head + "a_c 1\n", head + "a_b{x=\"\n\"} 1\n", head + "a_b{x=\"\xff\"} 1\n",
        head + head + "a_b 1\n", std::string("a_b 1\n"), std::string("# HELP a_b t\n# TYPE a_b counter\na_b 1\n"), std::string()})
    EXPECT_NE(check::metrics_fault(bad), "") << bad;
}

TEST(Metrics, EnumeratedValuesExistFromTheStart) {
  Snapshot s;
  s.clusters.resize(1);
  s.clusters[0].name = "main";
  const std::string text = metrics(s);
  for (const char* series : {"pgcertd_status{cluster=\"main\"} 3", "pgcertd_problems{cluster=\"main\",severity=\"critical\"} 0",
                             "pgcertd_certificate_readable{cluster=\"main\",certificate=\"server\"} 0",
                             "pgcertd_certificate_check_ok{cluster=\"main\",certificate=\"server\",check=\"key_match\"} 0",
                             "pgcertd_rotations_total{cluster=\"main\",result=\"rolled_back\"} 0",
                             "pgcertd_rotation_stage_failures_total{cluster=\"main\",stage=\"keygen\"} 0",
                             "pgcertd_reloads_total{cluster=\"main\",method=\"sql\",result=\"not_applied\"} 0",
                             "pgcertd_rotation_duration_seconds_bucket{cluster=\"main\",le=\"+Inf\"} 0",
                             "pgcertd_file_repairs_total{cluster=\"main\",file=\"root.crl\"} 0",
                             "pgcertd_postgresql_up{cluster=\"main\"} 0", "pgcertd_state_write_failures_total 0"})
    EXPECT_THAT(text, HasSubstr(std::string(series) + "\n"));
  for (const char* unknown : {"sessions", "client_certificate", "postgresql_ssl_enabled", "not_after_timestamp", "clock_synchronized"})
    EXPECT_THAT(text, Not(HasSubstr(unknown)));
}

TEST(Metrics, SayWhatIsWrong) {
  const std::string text = metrics(sample::critical());
  for (const char* series :
       {"pgcertd_problem{cluster=\"main\",code=\"served-stale\",severity=\"critical\"} 1",
        "pgcertd_problem{ca=\"local\",code=\"crl-expired\",severity=\"critical\"} 1",
        "pgcertd_problem{code=\"clock-jump\",severity=\"warning\"} 1", "pgcertd_problems{cluster=\"main\",severity=\"critical\"} 3",
        "pgcertd_served_matches_file{cluster=\"main\",endpoint=\"127.0.0.1:5432\"} 0",
        "pgcertd_served_probe_success{cluster=\"main\",endpoint=\"127.0.0.1:5432\"} 1",
        "pgcertd_certificate_check_ok{cluster=\"reporting\",certificate=\"server\",check=\"time\"} 0",
        "pgcertd_file_compliant{cluster=\"main\",file=\"server.key\",check=\"mode\"} 0",
        "pgcertd_rotation_paused{cluster=\"reporting\"} 1", "pgcertd_rotation_in_progress{cluster=\"main\"} 1",
        "pgcertd_pending_requests{cluster=\"reporting\"} 1",
        "pgcertd_rotation_next_attempt_timestamp_seconds{cluster=\"main\"} 1767225840", "pgcertd_crl_number{crl=\"local/root\"} 3",
        "pgcertd_runway_end_timestamp_seconds{cluster=\"main\",limit=\"root_crl\"} 1790121600", "process_cpu_seconds_total 1.25"})
    EXPECT_THAT(text, HasSubstr(std::string(series) + "\n"));
}

// Clients send the issuing CA along: in ssl_ca_file stands the root alone.
TEST(Metrics, TheCrlOfTheIssuingCaIsThatOfAKnownIssuer) {
  const auto issuer_known = [](const std::string& issuer) {
    Snapshot s = sample::healthy();
    CrlSet& set = s.clusters.front().crl_set.emplace();
    set.authorities = {*s.issuers.front().seen.root};
    for (const std::string& name : {set.authorities.front().subject, issuer}) set.crls.emplace_back().facts.issuer = name;
    const std::string text = metrics(s), series = "pgcertd_crl_check_ok{cluster=\"main\",crl=\"ssl_crl_file\",check=\"issuer_known\"} ";
    const std::size_t at = text.find(series);
    return at == std::string::npos ? '?' : text[at + series.size()];
  };
  EXPECT_EQ(issuer_known(sample::healthy().issuers.front().seen.issuing->subject), '1');
  EXPECT_EQ(issuer_known("CN=Somebody"), '0');
}

TEST(Metrics, WhatAnUnmanagedEndpointServesIsComparedWithNoFile) {
  Snapshot s = sample::healthy();
  s.clusters.front().served.back().matches_file = false;
  const std::string series = "pgcertd_served_matches_file{cluster=\"main\",endpoint=\"[::1]:5432\"}";
  EXPECT_THAT(metrics(s), HasSubstr(series + " 0"));
  s.clusters.front().problems.push_back({{ProblemCode::endpoint_unmanaged, Severity::warning, "[::1]:5432", "", ""}, sample::now});
  EXPECT_THAT(metrics(s), Not(HasSubstr(series)));
  EXPECT_THAT(metrics(s), HasSubstr("pgcertd_served_not_after_timestamp_seconds{cluster=\"main\",endpoint=\"[::1]:5432\"}"));
}

TEST(Metrics, SessionsAreCountedByTheirWay) {
  const std::string text = metrics(sample::critical());
  for (const char* series :
       {"pgcertd_postgresql_sessions{cluster=\"main\",transport=\"network\",tls=\"on\"} 12", "pgcertd_postgresql_sessions{cluster=\"main\",transport=\"network\",tls=\"off\"} 2",
        "pgcertd_postgresql_sessions{cluster=\"main\",transport=\"unix\",tls=\"off\"} 1", "pgcertd_postgresql_sessions{cluster=\"main\",transport=\"loopback\",tls=\"on\"} 0",
        "pgcertd_postgresql_tls_sessions{cluster=\"main\",version=\"TLSv1.3\",cipher=\"TLS_AES_256_GCM_SHA384\"} 12",
        "pgcertd_postgresql_client_certificate_sessions{cluster=\"main\"} 5", "pgcertd_postgresql_revoked_client_sessions{cluster=\"main\"} 1",
        "pgcertd_postgresql_sessions_before_rotation{cluster=\"main\"} 3"})
    EXPECT_THAT(text, HasSubstr(std::string(series) + "\n"));
}

TEST(Metrics, AClientThatTriesEveryCipherAddsNoSeriesWithoutEnd) {
  Snapshot s = sample::healthy();
  for (int i = 0; i < 40; ++i) s.clusters[0].sessions->push_back({true, false, "TLSv1.2", "CIPHER-" + std::to_string(i), 1, 0, sample::now});
  const std::string text = metrics(s);
  EXPECT_THAT(text, HasSubstr("pgcertd_postgresql_tls_sessions{cluster=\"main\",version=\"other\",cipher=\"other\"} 35\n"));
  EXPECT_THAT(text, Not(HasSubstr("CIPHER-5")));
}

// A series that vanished would resolve the alert that it had raised.
TEST(Metrics, WhatCannotBeSeenAnyMoreKeepsItsLastKnownValues) {
  Snapshot s = sample::healthy();
  ClusterView& c = s.clusters[0];
  const auto certificate = c.certificate;
  const auto served = c.served;
  c.last_certificate = certificate, c.certificate.reset();
  c.last_served = served, c.served.resize(1);
  c.served[0].probe.outcome = ProbeOutcome::unreachable, c.served[0].probe.chain.clear();
  const std::string text = metrics(s);
  for (const char* series : {"pgcertd_certificate_readable{cluster=\"main\",certificate=\"server\"} 0", "pgcertd_certificate_not_after_timestamp_seconds{cluster=\"main\",certificate=\"server\"} 1772323200",
                             "pgcertd_served_probe_success{cluster=\"main\",endpoint=\"127.0.0.1:5432\"} 0", "pgcertd_served_not_after_timestamp_seconds{cluster=\"main\",endpoint=\"127.0.0.1:5432\"} 1772323200",
                             "pgcertd_served_probe_success{cluster=\"main\",endpoint=\"[::1]:5432\"} 0", "pgcertd_served_matches_file{cluster=\"main\",endpoint=\"[::1]:5432\"} 1"})
    EXPECT_THAT(text, HasSubstr(std::string(series) + "\n"));
  EXPECT_EQ(check::metrics_fault(text), "");
}

TEST(Metrics, DurationsAreAHistogram) {
  Snapshot s = sample::healthy();
  ClusterMemory& m = s.clusters[0].memory;
  m.rotations_by_duration.clear(), m.rotations_took = {};
  for (const int ms : {200, 1000, 1001, 29'000, 900'000}) m.count_rotation(Duration{ms});
  const std::string text = metrics(s);
  for (const char* sample : {"bucket{cluster=\"main\",le=\"1\"} 2", "bucket{cluster=\"main\",le=\"5\"} 3", "bucket{cluster=\"main\",le=\"30\"} 4", "bucket{cluster=\"main\",le=\"300\"} 4",
                             "bucket{cluster=\"main\",le=\"+Inf\"} 5", "count{cluster=\"main\"} 5", "sum{cluster=\"main\"} 931.201"})
    EXPECT_THAT(text, HasSubstr(std::string("pgcertd_rotation_duration_seconds_") + sample + "\n"));
}

TEST(Metrics, TheSeriesOfAClusterAreCounted) {
  const std::string text = metrics(sample::critical());
  std::size_t lines = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines += line.find("cluster=\"main\"") != std::string::npos;
  EXPECT_THAT(text, HasSubstr("pgcertd_cluster_series{cluster=\"main\"} " + std::to_string(lines) + "\n"));
}

// One more cluster may cost 150 series at most.
TEST(Metrics, SeriesOfAClusterAreBounded) {
  Snapshot two = sample::healthy();
  two.clusters.push_back(sample::cluster("second"));
  const auto lines = [](const std::string& text) { return std::count(text.begin(), text.end(), '\n'); };
  const auto more = lines(metrics(two)) - lines(metrics(sample::healthy()));
  EXPECT_GT(more, 40);
  EXPECT_LE(more, 150);
}

TEST(Page, BalancedForEverySnapshot) {
  Snapshot bare;
  bare.clusters.resize(2);
  bare.issuers.resize(1);
  for (const Snapshot& s : {sample::healthy(), sample::critical(), sample::hostile(), Snapshot{}, bare}) {
    const std::string page = page_html(s, build, sample::now);
    EXPECT_EQ(check::html_fault(page), "");
    EXPECT_THAT(page, HasSubstr("<html lang=\"en\">"));
    EXPECT_THAT(page, HasSubstr("<h1 "));
  }
}

TEST(Page, CheckerFindsFaults) {
  const std::string d = "<!DOCTYPE html>\n";
  EXPECT_EQ(check::html_fault(d + "<p class=\"a\">x<br></p><svg><path d=\"M1\"/></svg>"), "");
  for (const char* bad : {"<p>", "</p>", "<p><b></p></b>", "<p a='b'></p>", "a < b", "<p id=\"x\"></p><p id=\"x\"></p>",
                          "<script></script>", "<p a=\"<\"></p>", "<p \xff></p>"})
    EXPECT_NE(check::html_fault(d + bad), "") << bad;
  EXPECT_NE(check::html_fault("<p></p>"), "");
}

// Nothing that a stranger chose reaches a reader raw, whatever rendering.
TEST(Hostile, NothingGoesThroughRaw) {
  const Snapshot s = sample::hostile();
  const std::string page = page_html(s, build, sample::now);
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  for (const std::string& text : {page, status_json(s, build), rotations_json(s), metrics(s), health(s, build, "", false)->body}) {
    EXPECT_TRUE(check::valid_utf8(text));
    EXPECT_THAT(text, Not(HasSubstr("\xE2\x80\xAE")));
  }
  EXPECT_LT(page.size(), 400'000U);
  const json j = json::parse(status_json(s, build));
  EXPECT_THAT(j["clusters"][0]["certificate"]["subject"].get<std::string>(),
              HasSubstr("\"><script>alert(1)</script>'&\\x0a\\u{202e}gnp.exe\\xff"));
}

TEST(Page, SaysTheSentence) {
  EXPECT_EQ(
      sentence(sample::healthy(), sample::now),
      "PostgreSQL cluster main serves the certificate it should, proved by a handshake. The next renewal is planned in 29 days.");
  EXPECT_THAT(sentence(sample::critical(), sample::now),
              HasSubstr("5 critical problems and 3 warnings stand. Most pressing, in cluster reporting: the certificate ended"));
  EXPECT_EQ(sentence(Snapshot{}, sample::now), "The first look at the clusters is not finished yet.");
  Snapshot empty;
  empty.first_pass_done = true;
  EXPECT_EQ(sentence(empty, sample::now), "No cluster is configured yet.");
  Snapshot two = sample::healthy();
  two.clusters.push_back(sample::cluster("a"));
  two.clusters[1].certificate->renew_at = sample::now + days{3};
  EXPECT_EQ(sentence(two, sample::now),
            "All 2 PostgreSQL clusters serve the certificate they should, proved by handshakes. The next renewal (a) is planned in "
            "3 days.");
  two.status = Severity::unknown;
  EXPECT_THAT(sentence(two, sample::now), HasSubstr("not everything could be looked at"));
}

TEST(Page, ShowsServedBesideTheFile) {
  EXPECT_THAT(page_html(sample::healthy(), build, sample::now),
              testing::AllOf(HasSubstr("✓ same certificate"), Not(HasSubstr("✗ DIFFERENT"))));
  EXPECT_THAT(page_html(sample::critical(), build, sample::now),
              testing::AllOf(HasSubstr("✗ DIFFERENT certificate"), HasSubstr("EXPIRED 5 days ago")));
}

TEST(Page, SaysThatThePictureIsOld) {
  EXPECT_THAT(page_html(sample::healthy(), build, sample::now), Not(HasSubstr("This picture is old")));
  EXPECT_THAT(page_html(sample::healthy(), build, sample::now + hours{3}),
              HasSubstr("This picture is old: it was taken 3 hours ago."));
}

TEST(Html, EscapesAndCuts) {
  EXPECT_EQ(html("<a href='x'>&\""), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;");
  EXPECT_EQ(html("abcdef", 3), "abc…");
  EXPECT_EQ(when(std::nullopt, sample::now), "–");
  EXPECT_EQ(when(no_expiry, sample::now), "no end");
}

TEST(Problems, EachCodeIsToldInEveryRendering) {
  for (const ProblemRow& row : problem_table()) {
    Snapshot s = sample::healthy();
    s.clusters[0].problems = {sample::problem(row.code, "it is so", "do this", "", minutes{1})};
    s.status = s.clusters[0].status = row.severity;
    const std::string code(row.name), severity(to_string(row.severity));
    EXPECT_THAT(status_json(s, build), HasSubstr("\"code\": \"" + code + "\""));
    EXPECT_THAT(metrics(s), HasSubstr("pgcertd_problem{cluster=\"main\",code=\"" + code + "\",severity=\"" + severity + "\"} 1\n"));
    EXPECT_THAT(health(s, build, "", true)->body, HasSubstr(code + ": it is so"));
    EXPECT_FALSE(health(s, build, "", true)->healthy);
    EXPECT_THAT(page_html(s, build, sample::now), testing::AllOf(HasSubstr("href=\"/problems/" + code + "\""), HasSubstr("<code>do this</code>")));
  }
}

TEST(ProblemPages, EachCodeHasOneAndIsWellFormed) {
  for (const ProblemRow& row : problem_table()) {
    const auto page = problem_page(row.name);
    ASSERT_TRUE(page) << row.name;
    EXPECT_EQ(check::html_fault(*page), "") << row.name;
    EXPECT_THAT(*page, HasSubstr("<h1>" + std::string(row.name) + "</h1>"));
    EXPECT_THAT(*page, HasSubstr("<h2>Remedy</h2>"));
  }
  EXPECT_EQ(check::html_fault(*problem_page("README")), "");
  EXPECT_THAT(*problem_page("README"), HasSubstr("<a href=\"/problems/served-stale\">served-stale</a>"));
  EXPECT_FALSE(problem_page("nothing"));
  EXPECT_FALSE(problem_page("../problems/served-stale"));
}

TEST(Markdown, EachBlockAndItsInlineParts) {
  EXPECT_EQ(markdown_html("# A `b` c\n\none\ntwo **x**\n\n- p\n  q\n- r\n\n    a < b\n    c\n\nlast\n"),
            "<h1>A <code>b</code> c</h1>\n<p>one two <strong>x</strong></p>\n<ul>\n<li>p q</li>\n<li>r</li>\n</ul>\n<pre tabindex=\"0\"><code>a &lt; b\nc\n</code></pre>\n<p>last</p>\n");
  EXPECT_EQ(markdown_html("```sh\nx\n\n    y\n```\n"), "<pre tabindex=\"0\"><code>x\n\n    y\n</code></pre>\n");
  EXPECT_EQ(markdown_html("[a](served-stale.md) [b](../OPERATING.md#x) [c](javascript:alert(1)) [d\n"),
            "<p><a href=\"/problems/served-stale\">a</a> b c) [d</p>\n");
  EXPECT_EQ(markdown_html("| a | b |\n|---|---|\n| `c` |  |\n"),
            "<section class=\"scroll\" tabindex=\"0\" aria-label=\"Table 1\"><table><thead><tr><th scope=\"col\">a</th><th scope=\"col\">b</th></tr></thead>\n<tbody>\n"
            "<tr><td><code>c</code></td><td></td></tr>\n</tbody></table></section>\n");
  EXPECT_EQ(markdown_html("a ` b * c"), "<p>a ` b * c</p>\n");
}

TEST(Schema, TheStatusReferencesNothingThatIsNotInIt) {
  const std::string text = status_schema_json();
  const json schema = json::parse(text);
  std::size_t references = 0;
  for (std::size_t at = 0; (at = text.find("\"#/$defs/", at)) != std::string::npos; ++at, ++references) {
    const std::size_t from = at + 9;
    EXPECT_TRUE(schema["$defs"].contains(text.substr(from, text.find('"', from) - from))) << text.substr(at, 40);
  }
  EXPECT_GT(references, 20U);
}

TEST(OpenApi, DescribesEveryPath) {
  const json j = json::parse(openapi_json(build));
  EXPECT_EQ(j["openapi"], "3.1.0");
  EXPECT_EQ(j["paths"].size(), 18U);
  for (const auto& [path, item] : j["paths"].items()) {
    EXPECT_TRUE(item["get"]["responses"].contains("200")) << path;
    EXPECT_EQ(path.find('{') != std::string::npos,
              item["get"].contains("parameters") && item["get"]["parameters"][0]["in"] == "path")
        << path;
  }
}

}  // namespace
}  // namespace pgcertd::status
