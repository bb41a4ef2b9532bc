// Covers lib/postgres/probe.cpp, wire.cpp and resolve.cpp against a real PostgreSQL and against peers that are none.
#include "postgres/probe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "postgres/fake_peer.hpp"
#include "postgres/harness.hpp"

namespace pgcertd::testing {
namespace {

using postgres::Cancel;
using postgres::HandshakeProbe;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using std::chrono::steady_clock;

const TimePoint moment = from_unix(1'767'225'600);

ProbeSeen probe(const std::string& endpoint, milliseconds timeout = milliseconds{5'000}) {
  return HandshakeProbe({.timeout = timeout}, std::make_shared<Cancel>()).probe(endpoint, moment);
}

TEST(Probe, ShowsWhatIsServedAndLeavesNoLine) {
  ScratchServer scratch({.log_min_messages = "debug1"});
  EXPECT_EQ(probe(scratch.endpoint()).outcome, ProbeOutcome::ssl_refused);
  const auto pair = openssl_self_signed("db1.example.org", {"-addext", "subjectAltName=DNS:db1.example.org,IP:127.0.0.1"});
  scratch.enable_tls(pair);
  ASSERT_TRUE(eventually([&] { return probe(scratch.endpoint()).outcome == ProbeOutcome::served; }));
  const auto seen = probe(scratch.endpoint());
  EXPECT_EQ(seen.endpoint, scratch.endpoint());
  EXPECT_EQ(seen.probed_at, moment);
  EXPECT_GT(seen.took, milliseconds{0});
  ASSERT_EQ(seen.chain.size(), 1U);
  EXPECT_EQ(seen.chain[0].common_name, "db1.example.org");
  EXPECT_EQ(seen.chain[0].names.dns, std::vector<std::string>{"db1.example.org"});
  EXPECT_EQ(seen.chain_pem[0], pair.certificate_pem);
  EXPECT_EQ(seen.tls_version, "TLSv1.3");
  EXPECT_FALSE(seen.cipher.empty());
}

TEST(Probe, LeavesNoLineInTheLog) {
  ScratchServer scratch;
  const auto refused = [&] { return probe(scratch.endpoint()).outcome; };
  EXPECT_EQ(refused(), ProbeOutcome::ssl_refused);
  scratch.enable_tls(openssl_self_signed("localhost"));
  ASSERT_TRUE(eventually([&] { return probe(scratch.endpoint()).outcome == ProbeOutcome::served; }));
  (void)scratch.new_log_lines();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(probe(scratch.endpoint()).outcome, ProbeOutcome::served);
  HandshakeProbe many({}, std::make_shared<Cancel>());   // one's good-bye goes on beside the next
  for (int i = 0; i < 20; ++i) EXPECT_EQ(many.probe(scratch.endpoint(), moment).outcome, ProbeOutcome::served);
  many.rest();
  // What the probes caused is written before the shutdown's own lines.
  scratch.stop();
  for (const auto& line : scratch.new_log_lines())
    EXPECT_THAT(line, ::testing::AnyOf(HasSubstr("shut"), HasSubstr("aborting any active"), HasSubstr("background worker"),
                                       HasSubstr("checkpoint"), HasSubstr("fast")));
}

TEST(Probe, TakesWeakExpiredAndOldServers) {
  ScratchServer scratch({.config = {"ssl_min_protocol_version = 'TLSv1'", "ssl_max_protocol_version = 'TLSv1.2'"}});
  scratch.enable_tls(openssl_expired("weak"));
  ASSERT_TRUE(eventually([&] { return probe(scratch.endpoint()).outcome == ProbeOutcome::served; })) << scratch.log();
  EXPECT_EQ(probe(scratch.endpoint()).tls_version, "TLSv1.2");
}

TEST(Probe, AServerThatAsksForClientCertificatesIsSeenToo) {
  ScratchServer scratch({.config = {"ssl_ca_file = 'server.crt'"}, .hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n"});
  scratch.enable_tls(openssl_self_signed("localhost"));
  EXPECT_TRUE(eventually([&] { return probe(scratch.endpoint()).outcome == ProbeOutcome::served; }));
}

TEST(Probe, ReachesAServerByNameAndWithoutConnectionsLeft) {
  ScratchServer scratch;
  scratch.enable_tls(openssl_self_signed("localhost"));
  ASSERT_TRUE(eventually([&] { return probe(scratch.endpoint()).outcome == ProbeOutcome::served; }));
  const auto by_name = probe("localhost:" + std::to_string(scratch.port()));
  EXPECT_EQ(by_name.outcome, ProbeOutcome::served) << by_name.detail;
  scratch.freeze();
  EXPECT_EQ(probe(scratch.endpoint(), milliseconds{300}).outcome, ProbeOutcome::timeout);
  scratch.thaw();
  scratch.kill();
  // A backend that was just forked holds the listening socket a moment longer than the postmaster: then it is a reset.
  EXPECT_TRUE(eventually([&] {
    const auto down = probe(scratch.endpoint());
    EXPECT_EQ(down.outcome, ProbeOutcome::unreachable);
    return down.detail.find("refused") != std::string::npos;
  }));
}

TEST(Probe, PeersThatAreNotPostgresDoNoHarm) {
  using Self = FakePeer;
  const auto after_s = [](const std::string& bytes) {
    return [bytes](Self& self, int fd) {
      self.read_some(fd);
      self.send(fd, "S");
      self.read_some(fd);
      self.send(fd, bytes);
      self.hang(fd);
    };
  };
  struct Case {
    std::string name;
    FakePeer::Script script;
    ProbeOutcome outcome;
  };
  for (const auto& [name, script, outcome] : std::vector<Case>{
           {"http", [](Self& self, int fd) { self.read_some(fd); self.send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n"); }, ProbeOutcome::not_postgres},
           {"extra bytes behind S", [](Self& self, int fd) { self.read_some(fd); self.send(fd, "Sx"); self.hang(fd); }, ProbeOutcome::not_postgres},
           {"extra bytes behind N", [](Self& self, int fd) { self.read_some(fd); self.send(fd, "Nx"); self.hang(fd); }, ProbeOutcome::not_postgres},
           {"error", [](Self& self, int fd) { self.read_some(fd); self.send(fd, error_response("53300", "full")); }, ProbeOutcome::handshake_failed},
           {"hanging", [](Self& self, int fd) { self.hang(fd); }, ProbeOutcome::timeout},
           {"hanging behind S", [](Self& self, int fd) { self.read_some(fd); self.send(fd, "S"); self.hang(fd); }, ProbeOutcome::timeout},
           {"closing", [](Self& self, int fd) { self.read_some(fd); }, ProbeOutcome::unreachable},
           {"closing behind S", [](Self& self, int fd) { self.read_some(fd); self.send(fd, "S"); self.read_some(fd); }, ProbeOutcome::handshake_failed},
           {"garbage", after_s("garbage that is no TLS record at all"), ProbeOutcome::handshake_failed},
           {"alert", after_s(std::string("\x15\x03\x03\x00\x02\x02\x28", 7)), ProbeOutcome::handshake_failed},
           {"huge record", after_s(std::string("\x16\x03\x03\xff\xff", 5) + std::string(70'000, 'x')), ProbeOutcome::handshake_failed},
           {"no end", [](Self& self, int fd) {
              self.read_some(fd);
              self.send(fd, "S");
              self.read_some(fd);
              // Warning alerts and empty handshake records: nothing that completes.
              const std::string drip = std::string("\x16\x03\x03\x00\x04\x02\x00\xff\xff", 9) + std::string("\x16\x03\x03\x00\x01x", 6);
              for (int i = 0; i < 1'000 && !self.stopping(); ++i) self.send(fd, drip);
            }, ProbeOutcome::handshake_failed},
       }) {
    FakePeer peer(script);
    const auto seen = probe(peer.endpoint(), milliseconds{500});
    EXPECT_EQ(seen.outcome, outcome) << name << ": " << seen.detail;
    EXPECT_FALSE(seen.detail.empty()) << name;
    EXPECT_THAT(seen.chain, IsEmpty()) << name;
  }
}

TEST(Probe, BadEndpointsAndNamesAreSaid) {
  for (const std::string bad : {"", "nonsense:port", "[::1", "host:0"}) {
    const auto seen = probe(bad);
    EXPECT_EQ(seen.outcome, ProbeOutcome::unreachable);
    EXPECT_THAT(seen.detail, HasSubstr("no endpoint"));
  }
  const auto seen = probe("no-such-host.invalid:5432", milliseconds{3'000});
  EXPECT_THAT(seen.outcome, ::testing::AnyOf(ProbeOutcome::unreachable, ProbeOutcome::timeout));
  EXPECT_THAT(seen.detail, HasSubstr("no-such-host.invalid"));
}

// Whoever does not close when we do is waited for when nothing else is to be done, and not for ever.
TEST(Probe, RestLeavesNoConnectionBehind) {
  std::atomic<int> reset = 0;
  FakePeer peer([&](FakePeer& self, int fd) {
    self.read_some(fd);
    self.send(fd, "N");
    while (!self.stopping() && ::send(fd, "x", 1, MSG_NOSIGNAL) == 1) std::this_thread::yield();   // until nobody listens
    ++reset;
  });
  HandshakeProbe prober({}, std::make_shared<Cancel>());
  (void)prober.probe(peer.endpoint(), moment);
  prober.rest();
  EXPECT_TRUE(eventually([&] { return reset == 1; }));
}

TEST(Probe, CancelEndsItAtOnce) {
  auto cancel = std::make_shared<Cancel>();
  FakePeer peer([&](FakePeer& self, int fd) {
    self.read_some(fd);   // the probe has spoken and waits for the answer
    cancel->trigger();
    self.hang(fd);
  });
  const auto seen = HandshakeProbe({.timeout = std::chrono::hours{1}}, cancel).probe(peer.endpoint(), moment);
  EXPECT_EQ(seen.outcome, ProbeOutcome::timeout);
  EXPECT_THAT(seen.detail, HasSubstr("stopping"));
}

}  // namespace
}  // namespace pgcertd::testing
