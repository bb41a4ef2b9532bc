// A crash before and after every port call of a first issue, a renewal and a rollback, taken from the recorded trace: it
// always ends proved, and at no moment would PostgreSQL fail to start from what is on disk.
#include <gtest/gtest.h>

#include <cstdio>

#include "sim/driver.hpp"
#include "x509/request.hpp"

namespace pgcertd::sim {
namespace {

using namespace std::chrono_literals;
using engine::CallPhase;
using fake::World;

struct Scenario {
  const char* name;
  std::function<void(World&)> prepare;      // brings a fresh world to where the scenario begins
  std::function<void(World&, const Outcome&)> check;
  Layout layout = Layout::managed;
  [[nodiscard]] Desired desired() const {
    Desired out = desired_default();
    out.cluster.layout = layout;
    if (layout == Layout::in_place) out.cluster.takeover = TakeoverPolicy::always;
    return out;
  }
};

void expect_proved(World& world, const Outcome& run) {
  EXPECT_TRUE(run.rested);
  EXPECT_EQ(run.view.stage, Stage::proved) << run.view.next_step;
  EXPECT_EQ(run.view.need, Need::none) << run.view.next_step;
  EXPECT_EQ(run.view.status, Severity::ok);
  EXPECT_EQ(world.served_fingerprint(), world.current_fingerprint());
  EXPECT_TRUE(world.pending.empty());
}

void first_issued(World& world) { ASSERT_TRUE(run_to_rest(world, desired_default()).rested); }

void bring_to_renewal(World& world) {
  first_issued(world);
  world.now += days{61};
}

void bring_to_refusal(World& world) {
  bring_to_renewal(world);
  world.refuses_new_leaf = true;
}

void expect_rolled_back(World& world, const Outcome& run) {
  EXPECT_EQ(world.served_fingerprint(), world.current_fingerprint());
  EXPECT_EQ(world.served.size(), 1U) << "nothing but the first leaf was ever served";
  EXPECT_TRUE(std::any_of(run.view.problems.begin(), run.view.problems.end(), [](const auto& p) { return p.finding.code == ProblemCode::reload_not_applied; }));
  world.refuses_new_leaf = false;           // the cause goes: it heals by itself
  world.now += 2h;
  const Outcome healed = run_to_rest(world, desired_default());
  expect_proved(world, healed);
  EXPECT_EQ(world.served.size(), 2U);
}

void snakeoil(World& world) {
  auto key = *x509::PrivateKey::generate(KeyType::ecdsa_p256);
  const auto request = *x509::make_request_pem(key, {{"host"}, {}});
  const auto other = fake::TestCa::make(start - 24h, days{3650}, "Other");
  world.foreign["/etc/ssl/snakeoil.crt"] = {other.leaf(request, {{"host"}, {}}, start - 1h, days{3650}).pem(), std::string{key.to_pem().view()}};
  world.postgresql_conf = {{"ssl", "on"}, {"ssl_cert_file", "/etc/ssl/snakeoil.crt"}, {"ssl_key_file", "/etc/ssl/snakeoil.key"}};
  world.reload();
}

// A working pair of somebody else where the settings point, which is to become two links.
void foreign_in_data_directory(World& world) {
  snakeoil(world);
  world.foreign["/data/server.crt"] = world.foreign["/etc/ssl/snakeoil.crt"];
  world.postgresql_conf = {{"ssl", "on"}, {"ssl_cert_file", "/data/server.crt"}, {"ssl_key_file", "/data/server.key"}};
  world.reload();
}

void expect_links(World& world, const Outcome& run) {
  expect_proved(world, run);
  EXPECT_EQ(world.links, (std::set<std::string>{"/data/server.crt", "/data/server.key"}));
  EXPECT_EQ(world.in_force.at("ssl_cert_file"), "/data/server.crt");
}

// From links to settings of ours: the links stay, and are not used.
void linked_before(World& world) {
  Desired desired = desired_default();
  desired.cluster.layout = Layout::in_place;
  ASSERT_TRUE(run_to_rest(world, desired).rested);
  ASSERT_EQ(world.links.size(), 2U);
}

void expect_managed(World& world, const Outcome& run) {
  expect_proved(world, run);
  EXPECT_EQ(world.in_force.at("ssl_cert_file"), "/state/clusters/main/current/server.crt");
}

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all{
      {"first_issue", [](World&) {}, expect_proved},
      {"snakeoil", snakeoil, expect_proved},
      {"renewal", bring_to_renewal, expect_proved},
      {"rollback", bring_to_refusal, expect_rolled_back},
      {"in_place_first_issue", [](World&) {}, expect_links, Layout::in_place},
      {"in_place_over_foreign", foreign_in_data_directory, expect_links, Layout::in_place},
      {"managed_to_in_place", first_issued, expect_links, Layout::in_place},
      {"in_place_to_managed", linked_before, expect_managed},
  };
  return all;
}

class Crashes : public ::testing::TestWithParam<Scenario> {};

TEST_P(Crashes, EndProvedWhereverItDies) {
  const Scenario& scenario = GetParam();
  World recorded(ca(), start);
  scenario.prepare(recorded);
  const fake::WorldState prepared = recorded;
  const Outcome whole = run_to_rest(recorded, scenario.desired());
  scenario.check(recorded, whole);
  ASSERT_GT(whole.trace.size(), 20U);
  for (std::size_t call = 0; call < whole.trace.size(); ++call) {
    for (const CallPhase phase : {CallPhase::before, CallPhase::after}) {
      SCOPED_TRACE(testing::Message() << scenario.name << " dies " << (phase == CallPhase::before ? "before" : "after") << " call " << call << " " << whole.trace[call]);
      World world(ca(), start);
      static_cast<fake::WorldState&>(world) = prepared;
      const auto startable = [&](const std::string& at) { EXPECT_TRUE(world.can_start()) << "after " << at; };
      const Outcome died = run_to_rest(world, scenario.desired(), Where{call, phase}, startable);
      ASSERT_TRUE(died.crashed);
      world.now += 1s;
      const Outcome back = run_to_rest(world, scenario.desired(), std::nullopt, startable);
      scenario.check(world, back);
      ASSERT_FALSE(HasFailure());
    }
  }
  std::printf("%s: %zu calls, a crash before and after each\n", scenario.name, whole.trace.size());
}

INSTANTIATE_TEST_SUITE_P(Sim, Crashes, ::testing::ValuesIn(scenarios()), [](const auto& param) { return std::string{param.param.name}; });

}  // namespace
}  // namespace pgcertd::sim
