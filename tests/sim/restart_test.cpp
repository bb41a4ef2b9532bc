// A pair of somebody else that only a restart brings into force: by policy, once, and with a crash at each call.
#include <gtest/gtest.h>

#include <algorithm>

#include "sim/driver.hpp"
#include "x509/request.hpp"

namespace pgcertd::sim {
namespace {

using namespace std::chrono_literals;

fake::PairOnDisk pair_for(const std::string& name) {
  const auto key = x509::PrivateKey::generate(KeyType::ecdsa_p256);
  const fake::TestCa other = fake::TestCa::make(start - days{1}, days{3650}, "Other");
  const Names names{{name}, {}};
  return {other.leaf(*x509::make_request_pem(*key, names), names, start, days{90}).pem() + other.issuing.pem(), std::string{key->to_pem().view()}};
}

// The server serves the old pair; the new one is on disk, and its key has a passphrase.
void replace_pair(fake::World& world) {
  static const fake::PairOnDisk before = pair_for("db1.example.org"), after = pair_for("db1.example.org");
  world.postgresql_conf = {{"ssl", "on"}, {"ssl_cert_file", "/data/server.crt"}, {"ssl_key_file", "/data/server.key"}, {"ssl_passphrase_command", "cat pass"}};
  world.foreign["/data/server.crt"] = before;
  world.reload();
  world.foreign["/data/server.crt"] = after;
  world.encrypted.insert("/data/server.crt");
  world.reload();
}

Desired with_policy(RestartPolicy policy) {
  Desired desired = desired_default();
  desired.cluster.takeover = TakeoverPolicy::ask;
  desired.cluster.restart = policy;
  return desired;
}

std::size_t count(const fake::World& world, const std::string& kind) {
  return static_cast<std::size_t>(std::count_if(world.events.begin(), world.events.end(), [&](const Event& e) { return e.kind == kind; }));
}

TEST(Restart, IsDoneOnceWhenRequired) {
  fake::World world{ca(), start};
  replace_pair(world);
  const std::string before = world.served_fingerprint();
  const Desired desired = with_policy(RestartPolicy::when_required);
  ASSERT_TRUE(run_to_rest(world, desired).rested);
  EXPECT_NE(world.served_fingerprint(), before);
  EXPECT_EQ(world.restarts, 1U);
  EXPECT_EQ(count(world, "restart-proved"), 1U);
  EXPECT_FALSE(world.memory.restart);
  EXPECT_EQ(world.memory.restarts["systemd applied"], 1U);
  world.now += 24h;
  run_to_rest(world, desired);
  EXPECT_EQ(world.restarts, 1U);
}

TEST(Restart, NeverMeansNever) {
  fake::World world{ca(), start};
  replace_pair(world);
  const std::string before = world.served_fingerprint();
  for (int i = 0; i < 50; ++i) {
    const Outcome outcome = run_to_rest(world, with_policy(RestartPolicy::never));
    ASSERT_TRUE(outcome.rested);
    EXPECT_TRUE(std::any_of(outcome.view.problems.begin(), outcome.view.problems.end(), [](const StandingProblem& p) { return p.finding.code == ProblemCode::restart_required; }));
    world.now += 1h;
  }
  EXPECT_EQ(world.restarts, 0U);
  EXPECT_EQ(world.started, from_unix(1'700'000'000));
  EXPECT_EQ(world.served_fingerprint(), before);
}

TEST(Restart, OneThatWouldNotComeBackIsNotBegun) {
  fake::World world{ca(), start};
  replace_pair(world);
  world.outlook.passphrase_error = "bad decrypt";
  run_to_rest(world, with_policy(RestartPolicy::when_required));
  EXPECT_EQ(world.restarts, 0U);
  EXPECT_TRUE(world.server_up);
}

TEST(Restart, SurvivesACrashAtEachCall) {
  fake::World calm{ca(), start};
  replace_pair(calm);
  const Desired desired = with_policy(RestartPolicy::when_required);
  const Outcome whole = run_to_rest(calm, desired);
  for (std::size_t call = 0; call < whole.trace.size(); ++call)
    for (const auto phase : {engine::CallPhase::before, engine::CallPhase::after}) {
      fake::World world{ca(), start};
      replace_pair(world);
      run_to_rest(world, desired, Where{call, phase});
      for (int i = 0; i < 10 && world.memory.restarts["systemd applied"] == 0; ++i) {
        world.now += 2min;
        run_to_rest(world, desired);
      }
      EXPECT_TRUE(world.server_up);
      EXPECT_EQ(world.served_fingerprint(), calm.served_fingerprint()) << whole.trace[call];
      EXPECT_EQ(world.restarts, 1U) << whole.trace[call];
      EXPECT_FALSE(world.memory.restart);
    }
}

}  // namespace
}  // namespace pgcertd::sim
