// lib/http/routes.cpp
#include "http/routes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "unit/http/support.hpp"

namespace pgcertd::http {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string header(const Reply& reply, const std::string& name) {
  for (const auto& [key, value] : reply.headers)
    if (key == name) return value;
  return {};
}

Request request(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}, std::string tag = {}) {
  return {.method = "GET", .path = path, .query = std::move(query), .if_none_match = std::move(tag), .body = {}};
}

TEST(Routes, EveryPathOfTheContract) {
  test::World world;
  const auto routes = world.routes();
  const struct { const char* path; int status; const char* type; const char* holds; } rows[] = {
      {"/", 200, "text/html; charset=utf-8", "<h1"},
      {"/livez", 200, "text/plain; charset=utf-8", "ok"},
      {"/readyz", 200, "text/plain; charset=utf-8", "ok"},
      {"/health", 200, "application/health+json", "pass"},
      {"/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "pgcertd_status{cluster=\"main\"} 0"},
      {"/v1/status", 200, "application/json", "\"schema\": 1"},
      {"/v1/clusters", 200, "application/json", "\"main\""},
      {"/v1/clusters/main", 200, "application/json", "\"main\""},
      {"/v1/rotations", 200, "application/json", "\"proved\""},
      {"/v1/events", 200, "application/json", "rotation-proved"},
      {"/v1/runway", 200, "application/json", "root_crl"},
      {"/pki/root.crt", 200, "application/pem-certificate-chain", "BEGIN"},
      {"/pki/local.crl", 200, "application/pkix-crl", "0"},
      {"/openapi.json", 200, "application/json", "3.1.0"},
      {"/v1/clusters/other", 404, "application/problem+json", "other"},
      {"/pki/root.crl", 200, "application/pkix-crl", "0"},
      {"/pki/other.crl", 404, "application/problem+json", "no such"},
      {"/pki/../../etc/passwd", 404, "application/problem+json", "no such"},
      {"/pki/x.crt", 404, "application/problem+json", "no such"},
      {"/pki/", 404, "application/problem+json", "nothing"},
      {"/v1/clusters/", 404, "application/problem+json", "nothing"},
      {"/nothing", 404, "application/problem+json", "/nothing"},
      {"", 404, "application/problem+json", "nothing"},
  };
  for (const auto& row : rows) {
    const Reply reply = routes->answer(request(row.path));
    EXPECT_EQ(reply.status, row.status) << row.path;
    EXPECT_EQ(reply.content_type, row.type) << row.path;
    EXPECT_THAT(reply.body, HasSubstr(row.holds)) << row.path;
    for (const char* name : {"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Cache-Control"})
      EXPECT_NE(header(reply, name), "") << row.path << ' ' << name;
    EXPECT_THAT(header(reply, "Content-Security-Policy"), HasSubstr("default-src 'none'"));
  }
}

// Liveness depends on neither PostgreSQL nor a certificate; readiness on the first pass; health on both.
TEST(Routes, ThreeKindsOfHealthAreApart) {
  test::World world;
  const auto routes = world.routes();
  const auto status = [&](const char* path) { return routes->answer(request(path)).status; };
  world.snapshot = std::make_shared<const Snapshot>(sample::critical());
  EXPECT_EQ(status("/livez"), 200);
  EXPECT_EQ(status("/readyz"), 200);
  EXPECT_EQ(status("/health"), 503);
  world.snapshot = std::make_shared<const Snapshot>();
  EXPECT_EQ(status("/readyz"), 503);
  world.snapshot = nullptr;
  EXPECT_EQ(status("/livez"), 200);
  for (const char* path : {"/readyz", "/health", "/", "/metrics", "/v1/status"}) EXPECT_EQ(status(path), 503) << path;
  world.alive = false;
  EXPECT_EQ(status("/livez"), 503);
}

TEST(Routes, HealthParameters) {
  test::World world;
  Snapshot s = sample::healthy();
  s.status = s.clusters[0].status = Severity::warning;
  world.snapshot = std::make_shared<const Snapshot>(s);
  const auto routes = world.routes();
  EXPECT_EQ(routes->answer(request("/health")).status, 200);
  EXPECT_EQ(routes->answer(request("/health", {{"fail_on", "warn"}})).status, 503);
  EXPECT_EQ(routes->answer(request("/health", {{"cluster", "main"}})).status, 200);
  EXPECT_EQ(routes->answer(request("/health", {{"cluster", "x"}})).status, 404);
  EXPECT_EQ(routes->answer(request("/health", {{"fail_on", "x"}})).status, 400);
}

TEST(Routes, EventsSince) {
  test::World world;
  const auto routes = world.routes();
  EXPECT_EQ(json::parse(routes->answer(request("/v1/events", {{"since", "41"}})).body)["events"][0]["id"], 42);
  const auto first = [&](std::vector<std::pair<std::string, std::string>> query) { return json::parse(routes->answer(request("/v1/events", std::move(query))).body)["events"][0]["id"]; };
  EXPECT_EQ(first({{"last", "1"}}), 50);
  EXPECT_EQ(first({{"last", "3"}, {"since", "40"}}), 48);
  EXPECT_EQ(first({{"last", "30"}, {"since", "40"}}), 41);
  EXPECT_EQ(first({{"last", "9223372036854775807"}}), 1);
  for (const char* bad : {"x", "-1", "1x", "99999999999999999999"})
    for (const char* parameter : {"since", "last"}) EXPECT_EQ(routes->answer(request("/v1/events", {{parameter, bad}})).status, 400) << parameter << bad;
}

TEST(Routes, EventsThatAreWaitedFor) {
  test::World world;
  world.newest = 41;
  const auto routes = world.routes();
  const auto hold = [&](const std::string& since, const std::string& wait, bool patient = true) {
    Request asked = request("/v1/events", {{"since", since}, {"wait", wait}});
    asked.patient = patient;
    const Reply reply = routes->answer(asked);
    EXPECT_EQ(reply.status, 200);
    return reply.hold;
  };
  EXPECT_EQ(hold("41", "10s"), std::chrono::seconds{10});
  EXPECT_EQ(hold("41", "1m"), std::chrono::minutes{1});
  EXPECT_EQ(routes->counters().http_requests.at({"events", "200"}), 0U) << "counted when it is answered";
  EXPECT_EQ(hold("41", "0s").count(), 0);
  EXPECT_EQ(hold("40", "10s").count(), 0) << "there is something to say";
  EXPECT_EQ(hold("41", "10s", false).count(), 0) << "it has waited";
  EXPECT_EQ(routes->counters().http_requests.at({"events", "200"}), 3U);
  for (const char* bad : {"x", "10", "-1s", "61s", "1h"}) EXPECT_EQ(routes->answer(request("/v1/events", {{"wait", bad}})).status, 400) << bad;
}

TEST(Routes, NotModified) {
  test::World world;
  const auto routes = world.routes();
  const std::string tag = header(routes->answer(request("/v1/status")), "ETag");
  EXPECT_EQ(tag, "W/\"b00t-42\"");
  for (const std::string& match : {tag, std::string("\"b00t-42\""), std::string("*"), "\"x\", " + tag}) {
    const Reply reply = routes->answer(request("/v1/status", {}, match));
    EXPECT_EQ(reply.status, 304) << match;
    EXPECT_EQ(reply.body, "");
    EXPECT_EQ(header(reply, "ETag"), tag);
  }
  EXPECT_EQ(routes->answer(request("/v1/status", {}, "W/\"b00t-4\"")).status, 200);
  Snapshot next = sample::healthy();
  next.version = 43;
  world.snapshot = std::make_shared<const Snapshot>(next);
  EXPECT_EQ(routes->answer(request("/v1/status", {}, tag)).status, 200);
  const std::string crl = header(routes->answer(request("/pki/local.crl")), "ETag");
  EXPECT_EQ(routes->answer(request("/pki/local.crl", {}, crl)).status, 304);
  EXPECT_THAT(header(routes->answer(request("/pki/local.crl")), "Cache-Control"), HasSubstr("max-age"));
}

TEST(Routes, RendersOncePerSnapshotAndNeverAnOldOne) {
  test::World world;
  const auto routes = world.routes();
  for (const char* path : {"/", "/metrics", "/v1/status"}) {
    Snapshot next = sample::healthy();
    next.version = 50, next.clusters[0].name = "oldone";
    world.snapshot = std::make_shared<const Snapshot>(next);
    EXPECT_THAT(routes->answer(request(path)).body, HasSubstr("oldone")) << path;
    next.clusters[0].name = "unseen";                        // the same version: it is not rendered again
    world.snapshot = std::make_shared<const Snapshot>(next);
    EXPECT_THAT(routes->answer(request(path)).body, AllOf(HasSubstr("oldone"), Not(HasSubstr("unseen")))) << path;
    next.version = 51, next.clusters[0].name = "newone";
    world.snapshot = std::make_shared<const Snapshot>(next);
    EXPECT_THAT(routes->answer(request(path)).body, AllOf(HasSubstr("newone"), Not(HasSubstr("oldone")))) << path;
  }
  EXPECT_THAT(routes->answer(request("/metrics")).body, HasSubstr("pgcertd_http_requests_total{handler=\"metrics\",code=\"200\"} 3"));
  EXPECT_THAT(routes->answer(request("/metrics")).body, HasSubstr("pgcertd_http_requests_total{handler=\"metrics\",code=\"200\"} 4")) << "what each request changes is never kept";
}

TEST(Routes, AsksTheKernelAboutTheProcessOnceASecond) {
  test::World world;
  Source source = world.source();
  int asked = 0;
  TimePoint now = sample::now;
  source.process = [&] {
    ++asked;
    return status::ProcessFacts{};
  };
  source.now = [&] { return now; };
  Routes routes(std::move(source), status::BuildInfo{.version = "0.1.0", .revision = "", .compiler = "", .boot_id = "b00t"});
  for (int i = 0; i < 5; ++i) routes.answer(request("/metrics"));
  EXPECT_EQ(asked, 1);
  now += std::chrono::seconds{1};
  EXPECT_THAT(routes.answer(request("/metrics")).body, HasSubstr("\nprocess_cpu_seconds_total "));
  EXPECT_EQ(asked, 2);
}

TEST(Routes, KnowsWhichAnswersLieReady) {
  test::World world;
  const auto routes = world.routes();
  const auto ready = [&](const char* target) { return routes->is_ready(target); };
  for (const char* target : {"/", "/metrics", "/v1/status"}) {
    EXPECT_FALSE(ready(target)) << target;
    EXPECT_EQ(routes->answer(request(target)).status, 200);
    EXPECT_TRUE(ready(target)) << target;
  }
  for (const char* other : {"/livez", "/v1/clusters", "/v1/events", "/metrics?x", "/nothing", ""}) {
    (void)routes->answer(request(other));
    EXPECT_FALSE(ready(other)) << other;
  }
  auto changed = std::make_shared<Snapshot>(*world.snapshot);
  ++changed->version;
  world.snapshot = changed;
  for (const char* target : {"/", "/metrics", "/v1/status"}) EXPECT_FALSE(ready(target)) << target;
  (void)routes->answer(request("/metrics"));
  EXPECT_TRUE(ready("/metrics"));
  EXPECT_FALSE(ready("/v1/status"));
  world.broken = true;
  EXPECT_FALSE(ready("/metrics"));
}

TEST(Routes, AThrowingCallbackIsNotTold) {
  test::World world;
  world.broken = true;
  const Reply reply = world.routes()->answer(request("/v1/status"));
  EXPECT_EQ(reply.status, 500);
  EXPECT_THAT(reply.body, Not(HasSubstr("secret detail")));
}

TEST(Routes, CountsByHandlerAndCode) {
  test::World world;
  const auto routes = world.routes();
  EXPECT_EQ(routes->counters().http_requests.at({"metrics", "200"}), 0U);
  (void)routes->answer(request("/metrics"));
  (void)routes->answer(request("/random/1"));
  (void)routes->answer(request("/random/2"));
  EXPECT_EQ(routes->counters().http_requests.at({"metrics", "200"}), 1U);
  EXPECT_EQ(routes->counters().http_requests.at({"other", "404"}), 2U);   // a stranger's paths make no series
}

}  // namespace
}  // namespace pgcertd::http
