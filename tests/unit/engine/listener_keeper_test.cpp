// Covers lib/engine/listener_keeper.cpp and lib/core/listener.cpp: the HTTP listener's own certificate over years, without an
// issuer, and when it is lost, spoiled or not served.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/listener_keeper.hpp"
#include "fake/world.hpp"
#include "sim/driver.hpp"

namespace pgcertd::listener_keeper_tests {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using sim::start;

struct PairInMemory final : ports::OwnPair {
  std::optional<std::pair<std::string, std::string>> kept;
  std::optional<Error> error;
  [[nodiscard]] std::string path() const override { return "/state/http/listener.pem"; }
  Result<std::optional<Pair>> read() override {
    if (error) return fail(*error);
    if (!kept) return std::optional<Pair>{};
    return std::optional(Pair{kept->first, Secret(kept->second)});
  }
  Result<void> write(const std::string& chain, const Secret& key) override {
    if (error) return fail(*error);
    kept.emplace(chain, std::string(key.view()));
    return {};
  }
};

IssuerConfig local_issuer() {
  IssuerConfig issuer;
  issuer.name = "local";
  return issuer;
}

struct Subject {
  fake::World world{sim::ca(), start};
  PairInMemory pair;
  std::string served;                    // the chain
  bool takes = true;                     // what is handed over is served
  std::optional<ClockDoubt> doubt;
  Desired desired = listener_wish(local_issuer(), {.dns = {"localhost"}, .ip = {"127.0.0.1"}}, 1min);
  engine::ClusterPorts ports = world.ports();
  engine::ListenerKeeper keeper{desired, false, {ports.keys, ports.pending, pair,
                                [this](const std::string& chain, const Secret&) -> Result<void> {
                                  if (takes) served = chain;
                                  return {};
                                },
                                [this] {
                                  std::map<std::string, Result<std::string>> out;
                                  out.emplace("127.0.0.1:9847", x509::parse_certificates(served, "served")->front().der());
                                  return out;
                                },
                                [this](std::optional<TimePoint>) { return doubt; }}};

  Subject() { EXPECT_TRUE(keeper.begin(start)); }
  engine::ListenerKeeper::Tick tick() { return keeper.tick(ports.issuer, world.now); }
  std::string serial() { return tick().view.certificate->leaf.serial; }
};

std::vector<std::string> codes(const ListenerView& view) {
  std::vector<std::string> out;
  for (const StandingProblem& p : view.problems) out.emplace_back(to_string(p.finding.code));
  return out;
}

std::vector<std::string> kinds(const engine::ListenerKeeper::Tick& tick) {
  std::vector<std::string> out;
  for (const Event& e : tick.events) out.push_back(e.kind);
  return out;
}

TEST(ListenerKeeper, MakesServesAndProvesTheFirstInOneTick) {
  Subject s;
  EXPECT_NE(s.served, "") << "it answers before there is an issuer";
  const auto first = s.tick();
  EXPECT_THAT(kinds(first), ElementsAre("certificate-issued", "rotation-proved"));
  EXPECT_THAT(codes(first.view), IsEmpty());
  EXPECT_EQ(s.served, s.pair.kept->first);
  EXPECT_TRUE(first.view.served.front().matches_file);
  EXPECT_THAT(s.world.pending, IsEmpty());
  EXPECT_THAT(kinds(s.tick()), IsEmpty()) << "nothing more to do";
}

TEST(ListenerKeeper, RenewsInTimeForYears) {
  Subject s;
  std::string serial = s.serial();
  int renewals = 0;
  for (const TimePoint end = start + 24h * 600; s.world.now < end; s.world.now += 12h) {
    const auto tick = s.tick();
    ASSERT_THAT(codes(tick.view), IsEmpty()) << to_rfc3339(s.world.now);
    ASSERT_GT(tick.view.certificate->leaf.not_after - s.world.now, 24h * 20);
    if (tick.view.certificate->leaf.serial != serial) ++renewals, serial = tick.view.certificate->leaf.serial;
  }
  EXPECT_GE(renewals, 9);
  EXPECT_LE(renewals, 12);
}

TEST(ListenerKeeper, WithoutAnIssuerServesItsOwnAndSaysSo) {
  Subject s;
  s.world.issuer_available = false;
  const std::string own = s.served;
  const auto tick = s.tick();
  EXPECT_THAT(codes(tick.view), ::testing::UnorderedElementsAre("served-unverifiable", "issuer-failed"));
  EXPECT_EQ(s.served, own);
  EXPECT_TRUE(tick.failed);
  const auto at_once = s.tick();
  EXPECT_FALSE(at_once.failed) << "the refusal wakes the listener: to ask again at once would be without end";
  EXPECT_THAT(codes(at_once.view), ::testing::UnorderedElementsAre("served-unverifiable", "issuer-failed")) << "it stands meanwhile";
  s.world.now += 1min;
  EXPECT_TRUE(s.tick().failed);
  EXPECT_EQ(s.world.pending.size(), 1U) << "one key waits, not one a tick";
  s.world.issuer_available = true;   // nobody waits for the pause to end then
  EXPECT_THAT(codes(s.tick().view), IsEmpty());
}

TEST(ListenerKeeper, GoesOnServingWhatHasExpiredUntilThereIsAnother) {
  Subject s;
  const std::string serial = s.serial();
  s.world.issuer_available = false;
  s.world.now += 24h * 85;
  EXPECT_THAT(codes(s.tick().view), ::testing::UnorderedElementsAre("cert-expiring", "cert-renewal-overdue", "issuer-failed"));
  s.world.now += 24h * 10;
  const auto tick = s.tick();
  EXPECT_THAT(codes(tick.view), Contains("cert-expired"));
  EXPECT_EQ(tick.view.certificate->leaf.serial, serial);
  s.world.issuer_available = true;
  EXPECT_THAT(codes(s.tick().view), IsEmpty());
}

TEST(ListenerKeeper, OneThatIsLostSpoiledOrOfOtherNamesIsMadeAnew) {
  Subject s;
  std::string serial = s.serial();
  const auto renewed = [&] {
    const std::string next = s.serial();
    return std::exchange(serial, next) != next;
  };
  s.pair.kept.reset();
  EXPECT_TRUE(renewed());
  s.pair.kept->first = "nonsense";
  EXPECT_TRUE(renewed());
  s.pair.kept->second = "nonsense";
  EXPECT_TRUE(renewed());
  EXPECT_FALSE(renewed());
  Desired other = s.desired;
  other.names.dns.push_back("db1.example.org");
  engine::ListenerKeeper keeper{other, false, {s.ports.keys, s.ports.pending, s.pair, [](const std::string&, const Secret&) -> Result<void> { return {}; },
                                               [] { return std::map<std::string, Result<std::string>>{}; }, [](std::optional<TimePoint>) { return std::optional<ClockDoubt>{}; }}};
  EXPECT_THAT(keeper.tick(s.ports.issuer, s.world.now).view.certificate->leaf.names.dns, Contains("db1.example.org"));
}

TEST(ListenerKeeper, IsNotDoneBeforeAHandshakeShowsIt) {
  Subject s;
  s.takes = false;
  const auto tick = s.tick();
  EXPECT_THAT(kinds(tick), ElementsAre("certificate-issued"));
  EXPECT_THAT(codes(tick.view), ElementsAre("served-stale"));
  EXPECT_FALSE(tick.view.served.front().matches_file);
}

TEST(ListenerKeeper, NothingIsIssuedAtATimeThatMayBeWrong) {
  Subject s;
  s.doubt = ClockDoubt{};
  EXPECT_THAT(kinds(s.tick()), IsEmpty());
  EXPECT_THAT(s.world.pending, IsEmpty());
}

TEST(ListenerKeeper, AStateThatCannotBeReadIsNoReasonForAnother) {
  Subject s;
  s.tick();
  s.pair.error = make_error(Errc::io, "open \"listener.pem\": Input/output error");
  const std::string served = s.served;
  const auto tick = s.tick();
  EXPECT_THAT(codes(tick.view), ElementsAre("state-unwritable"));
  EXPECT_EQ(s.served, served);
  EXPECT_THAT(s.world.pending, IsEmpty());
}

}  // namespace
}  // namespace pgcertd::listener_keeper_tests
