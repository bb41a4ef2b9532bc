// lib/http/{listener,server_loop,engine}.cpp over real sockets on loopback
#include "http/listener.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <deque>
#include <future>
#include <thread>

#include "unit/http/support.hpp"

namespace pgcertd::http {
namespace {

using namespace std::chrono_literals;
using test::body_of;
using test::Client;
using test::get;
using test::header_of;
using test::status_of;
using testing::HasSubstr;

class Listener : public testing::Test {
 protected:
  void start(LoopOptions loop = {}, const std::string& address = "127.0.0.1:0") {
    routes_ = world_.routes();
    listener_ =
        std::make_unique<PublicListener>(ListenOptions{.address = address, .hosts = {"db1.example.org"}, .loop = loop}, routes_);
    const auto started = listener_->start();
    ASSERT_TRUE(started) << started.error().text();
    ASSERT_NE(listener_->port(), 0);
  }
  std::string ask(const std::string& bytes, bool body = true) {
    Client client(listener_->port());
    client.send(bytes);
    return client.response(body);
  }

  test::World world_;
  std::shared_ptr<Routes> routes_;
  std::unique_ptr<PublicListener> listener_;
};

TEST_F(Listener, AnswersGetAndHead) {
  start();
  const std::string whole = ask(get("/v1/status"));
  EXPECT_EQ(status_of(whole), 200);
  EXPECT_THAT(body_of(whole), HasSubstr("\"schema\": 1"));
  EXPECT_EQ(header_of(whole, "ETag"), "W/\"b00t-42\"");
  EXPECT_EQ(header_of(whole, "X-Content-Type-Options"), "nosniff");
  EXPECT_EQ(header_of(whole, "Content-Type"), "application/json");
  Client client(listener_->port());
  client.send(get("/v1/status", "", "HEAD") + get("/livez"));      // pipelined: a body after HEAD would spoil the second
  const std::string head = client.response(false);
  EXPECT_EQ(header_of(head, "Content-Length"), header_of(whole, "Content-Length"));
  const std::string next = client.response();
  EXPECT_EQ(status_of(next), 200);
  EXPECT_EQ(body_of(next), "ok\n");
}

TEST_F(Listener, NotModifiedOverTheWire) {
  start();
  const std::string reply = ask(get("/v1/status", "If-None-Match: W/\"b00t-42\"\r\n"), false);
  EXPECT_EQ(status_of(reply), 304);
  EXPECT_EQ(body_of(reply), "");
  EXPECT_EQ(header_of(reply, "Content-Length"), "");
  EXPECT_EQ(header_of(reply, "ETag"), "W/\"b00t-42\"");
  Client client(listener_->port());
  client.send(get("/v1/status", "If-None-Match: *\r\n") + get("/livez"));
  EXPECT_EQ(status_of(client.response(false)), 304);
  EXPECT_EQ(status_of(client.response()), 200);
}

TEST_F(Listener, RefusesWhatItDoesNotAnswer) {
  start();
  const struct { std::string bytes; int status;
  } rows[] = {{get("/", "", "POST"), 405},
              {get("/", "", "DELETE"), 405},
              {get("/", "Range: bytes=0-0\r\n"), 416},
              {get("/", "Content-Length: 5\r\n") + "12345", 413},
              {get("/", "X: " + std::string(9000, 'a') + "\r\n"), 431},
              {get("/" + std::string(5000, 'a')), 414},
              {"nonsense\r\n\r\n", 400},
              {get("/nothing"), 404}};
  for (const auto& row : rows) {
    const std::string reply = ask(row.bytes);
    EXPECT_EQ(status_of(reply), row.status);
    EXPECT_EQ(header_of(reply, "Content-Type"), "application/problem+json") << row.status;
    EXPECT_EQ(header_of(reply, "Content-Security-Policy"), "default-src 'none'; frame-ancestors 'none'") << row.status;
    EXPECT_EQ(header_of(reply, "Referrer-Policy"), "no-referrer") << row.status;
    EXPECT_THAT(body_of(reply), HasSubstr("\"status\": " + std::to_string(row.status)));
  }
  EXPECT_EQ(header_of(ask(get("/", "", "POST")), "Allow"), "GET, HEAD");
  EXPECT_GE(routes_->counters().http_requests.at({"other", "405"}), 2U);
}

// The response to an upload that we do not read must arrive all the same, not be lost to a reset.
TEST_F(Listener, RefusalSurvivesUnreadBytes) {
  start();
  Client client(listener_->port());
  client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'));
  EXPECT_EQ(status_of(client.response()), 405);
  client.finish();
  EXPECT_TRUE(client.closed());
}

TEST_F(Listener, HostHeaderGuardsAgainstRebinding) {
  start();
  const auto with_host = [&](const std::string& host, const std::string& path = "/livez") {
    return status_of(ask("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n"));
  };
  for (const char* good : {"localhost", "LOCALHOST:9847", "127.0.0.1", "127.0.0.1:1", "db1.example.org:9847", "db1.example.org."})
    EXPECT_EQ(with_host(good), 200) << good;
  for (const char* bad : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""})
    EXPECT_NE(with_host(bad) == 200, bad[0] != '\0') << bad;
  EXPECT_EQ(with_host("evil.example"), 421);
  const auto by_url = [&](const std::string& url) { return status_of(ask(get(url))); };
  EXPECT_EQ(by_url("http://localhost:9847/livez"), 200);
  EXPECT_EQ(by_url("http://localhost/nothing"), 404);
  EXPECT_EQ(by_url("http://evil.example/livez"), 421) << "the URL's host counts, not the header's";
  EXPECT_EQ(by_url("http://crl.example/pki/local.crl"), 200);
  EXPECT_EQ(with_host("crl.example", "/pki/local.crl"), 200);
  EXPECT_EQ(with_host("crl.example", "/pki/../v1/status"), 404);
  EXPECT_EQ(status_of(ask("GET /livez HTTP/1.0\r\n\r\n")), 200);
}

TEST_F(Listener, AttackersPathsAreDecodedOnceAndHarmless) {
  start();
  for (const char* path :
       {"/%2e%2e/etc/passwd", "/v1/clusters/%00", "/v1/clusters/%3Cscript%3E", "/?a=%ff&b", "/v1/events?since=%31", "//"}) {
    const int status = status_of(ask(get(path)));
    EXPECT_TRUE(status == 200 || status == 404) << path << ' ' << status;
  }
}

TEST_F(Listener, IdleConnectionsDoNotDelayOthers) {
  start({.threads = 2});
  std::deque<Client> idle;
  for (int i = 0; i < 200; ++i) {
    idle.emplace_back(listener_->port());
    ASSERT_TRUE(idle.back().connected());
    if (i % 2) idle.back().send("GET /livez HT");     // half of them in the middle of a request
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  idle[1].send("TP/1.1\r\nHost: localhost\r\n\r\n");   // and they are still there
  EXPECT_EQ(status_of(idle[1].response()), 200);
}

TEST_F(Listener, BeyondTheCapTheOldestIdleGoes) {
  start({.threads = 2, .max_connections = 8});
  std::deque<Client> idle;
  for (int i = 0; i < 8; ++i) {
    idle.emplace_back(listener_->port());
    idle.back().send(get("/livez"));
    EXPECT_EQ(status_of(idle.back().response()), 200);
  }
  EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  EXPECT_TRUE(idle.front().closed(900ms));
}

// One by one or in one piece, fetched by the loop itself or through the pool.
// poll() refuses more descriptors than there may be: the listener must not end with it.
TEST_F(Listener, GoesOnWhenItsLimitIsLowered) {
  start({.request_time = 60s, .keep_alive = 60s});
  std::deque<Client> clients;
  for (int i = 0; i < 20; ++i) {
    Client& client = clients.emplace_back(listener_->port());
    client.send(get("/livez"));
    ASSERT_EQ(status_of(client.response()), 200);
  }
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{.rlim_cur = 10, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  for (int i = 0; i < 2; ++i) {
    clients.back().send(get("/livez"));
    EXPECT_EQ(status_of(clients.back().response()), 200) << i;
  }
  EXPECT_TRUE(clients.front().closed());
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(Listener, WhatLiesReadyIsTheSameAnswer) {
  start({.threads = 1});
  for (const char* target : {"/", "/metrics", "/v1/status"}) {
    const std::string first = body_of(ask(get(target)));
    EXPECT_TRUE(routes_->is_ready(target)) << target;
    Client client(listener_->port());
    std::string many;
    for (int i = 0; i < 30; ++i) many += get(target) + get("/livez");
    client.send(many);
    for (int i = 0; i < 30; ++i) {
      const std::string again = client.response();
      EXPECT_EQ(status_of(again), 200);
      EXPECT_TRUE(body_of(again) == first || std::string_view(target) == "/metrics") << target;   // which counts itself
      EXPECT_EQ(body_of(client.response()), "ok\n");
    }
  }
}

TEST_F(Listener, SlowClientsAreToldAndDropped) {
  start({.request_time = 200ms, .keep_alive = 100ms});
  Client drip(listener_->port()), silent(listener_->port()), kept(listener_->port());
  drip.send("GET / HTTP/1.1\r\nX: ");
  kept.send(get("/livez"));
  EXPECT_EQ(status_of(kept.response()), 200);
  EXPECT_EQ(status_of(drip.response()), 408);
  EXPECT_TRUE(drip.closed());
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(kept.closed());
}

// One that takes its response byte by byte holds no thread of the pool.
TEST_F(Listener, ClientsThatDoNotReadHoldNoThread) {
  start({.threads = 1, .write_time = 60s});
  std::deque<Client> deaf;
  for (int i = 0; i < 4; ++i) {
    deaf.emplace_back(listener_->port());
    deaf.back().send(get("/pki/big.crl"));
  }
  EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  const std::string late = deaf.front().response(true, 20s);   // whole, once it is read
  EXPECT_EQ(body_of(late).size(), 8U << 20);
}

class News : public Listener {
 protected:
  News() { world_.newest = 7; }
  void happens() {
    ++world_.newest;
    routes_->stir();
  }
  std::uint64_t answered() { return routes_->counters().http_requests.at({"events", "200"}); }
  // At the latest once all that were sent wait: before that, with too many, a new one may be the one that is closed.
  bool others_are_answered() {
    const auto until = std::chrono::steady_clock::now() + 5s;
    while (status_of(ask(get("/livez"))) != 200)
      if (std::chrono::steady_clock::now() > until) return false;
    return true;
  }
  static constexpr const char* question = "/v1/events?since=7&wait=60s";
};

TEST_F(News, AreToldWhenTheyHappenAndHoldNoThread) {
  start({.threads = 1, .keep_alive = 50ms});
  std::deque<Client> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.emplace_back(listener_->port());
    waiting.back().send(get(question));
  }
  EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  routes_->stir();                                                  // of something else
  EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  EXPECT_EQ(answered(), 0U);
  happens();
  for (Client& client : waiting) EXPECT_THAT(body_of(client.response()), HasSubstr("rotation-proved"));
  EXPECT_EQ(answered(), 8U);
}

TEST_F(News, ThatDoNotComeEndTheWait) {
  start();
  EXPECT_THAT(body_of(ask(get("/v1/events?since=7&wait=20ms"))), HasSubstr("\"events\": []"));
  EXPECT_EQ(answered(), 1U);
}

// What happens between the look and the wait is not missed.
TEST_F(News, AreNotMissed) {
  start({.threads = 2});
  std::atomic<bool> over = false;
  std::thread stirrer([&] {
    while (!over) routes_->stir();
  });
  for (int i = 0; i < 50; ++i) {
    Client client(listener_->port());
    client.send(get("/v1/events?since=" + std::to_string(world_.newest) + "&wait=60s"));
    ++world_.newest;
    EXPECT_EQ(status_of(client.response()), 200);
  }
  over = true;
  stirrer.join();
}

TEST_F(News, NobodyWaitsForAClientThatHasGone) {
  start({.max_connections = 2});
  for (int i = 0; i < 6; ++i) {
    Client gone(listener_->port());
    gone.send(get(question));
  }
  EXPECT_TRUE(others_are_answered());
  happens();
  EXPECT_TRUE(others_are_answered());
}

TEST_F(News, OneWhoWaitsGoesWhenThereAreTooMany) {
  start({.max_connections = 2});
  Client first(listener_->port()), second(listener_->port());
  first.send(get(question));
  second.send(get(question));
  EXPECT_TRUE(others_are_answered());
  happens();
  EXPECT_EQ((status_of(first.response()) == 200) + (status_of(second.response()) == 200), 1);
}

TEST_F(News, AListenerThatEndsSaysThatThereAreNone) {
  start();
  Client client(listener_->port());
  client.send(get(question));
  EXPECT_EQ(status_of(ask(get("/livez"))), 200);
  routes_->stir();
  listener_->stop();
  EXPECT_THAT(client.response(), testing::AnyOf(HasSubstr("\"events\": []"), testing::IsEmpty()));   // empty: it had not come to that
  EXPECT_TRUE(client.closed());
  happens();                                                        // and reaches nobody
}

TEST_F(Listener, KeepAliveAndClose) {
  start({.max_requests = 3});
  Client client(listener_->port());
  for (int i = 0; i < 3; ++i) {
    client.send(get("/livez"));
    EXPECT_EQ(status_of(client.response()), 200);
  }
  EXPECT_TRUE(client.closed(900ms));
  Client once(listener_->port());
  once.send(get("/livez", "Connection: close\r\n"));
  EXPECT_EQ(status_of(once.response()), 200);
  EXPECT_TRUE(once.closed(900ms));
}

TEST_F(Listener, ManyAtOnce) {
  start();
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 25; ++i) good += status_of(ask(get("/v1/clusters/main"))) == 200;
    });
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(good, 200);
}

TEST_F(Listener, StopsWithConnectionsOpenAndFreesThePort) {
  start();
  const std::uint16_t port = listener_->port();
  Client client(port);
  client.send(get("/livez"));
  EXPECT_EQ(status_of(client.response()), 200);
  listener_->stop();
  EXPECT_TRUE(client.closed());
  EXPECT_FALSE(Client(port).connected());
  start({}, "127.0.0.1:" + std::to_string(port));     // at once: SO_REUSEADDR
}

// With SO_REUSEPORT the second would share the port in silence.
TEST_F(Listener, ASecondOneOnThePortIsRefused) {
  start();
  PublicListener second({.address = "127.0.0.1:" + std::to_string(listener_->port())}, routes_);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().text(), HasSubstr("bind"));
  EXPECT_NE(started.error().remedy, "");
}

TEST_F(Listener, ListensAtIpv6) {
  const UniqueFd can(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_addr = in6addr_loopback;
  if (!can || ::bind(can.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) GTEST_SKIP() << "this host has no IPv6 loopback";
  start({}, "[::1]:0");
  at.sin6_port = htons(listener_->port());
  const UniqueFd client(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(client.get(), reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
}

TEST_F(Listener, BadAddressesAreNamed) {
  routes_ = world_.routes();
  for (const char* bad : {"", "9847", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:99999x", "[::1", "[::1]9847",
                          "::1:9847", "[]:9847", ":9847", "198.51.100.7:0"}) {
    PublicListener listener({.address = bad}, routes_);
    const auto started = listener.start();
    ASSERT_FALSE(started) << bad;
    EXPECT_NE(started.error().remedy, "") << bad;
  }
}

TEST_F(Listener, CompressesOnlyWhenAsked) {
  start();
  const std::string plain = ask(get("/")), packed = ask(get("/", "Accept-Encoding: gzip\r\n"));
  EXPECT_EQ(header_of(plain, "Content-Encoding"), "");
  EXPECT_EQ(header_of(packed, "Content-Encoding"), "gzip");
  EXPECT_LT(packed.size(), plain.size() / 2);
}

}  // namespace
}  // namespace pgcertd::http
