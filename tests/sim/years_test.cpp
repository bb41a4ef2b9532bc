// Ten years of one cluster: renewals, clock jumps, outages of server, disk and issuer. At every moment PostgreSQL could start
// from what is on disk, nobody ever sees an expired certificate while the issuer can sign, and each calm ends proved.
#include <gtest/gtest.h>

#include <cstdio>
#include <random>

#include "sim/driver.hpp"

namespace pgcertd::sim {
namespace {

using namespace std::chrono_literals;
using fake::World;

constexpr Duration ten_years = days{3652};

// The daemon's wake-ups are at most a check_interval apart; a simulated year has none to waste, so it looks once a day.
constexpr Duration between_looks = 24h;

Desired patient() {
  Desired desired = desired_default();
  desired.check_interval = 1h;
  return desired;
}

void expect_startable(World& world, const std::string& at) { ASSERT_TRUE(world.can_start()) << "after " << at << " at " << to_rfc3339(world.now); }

Outcome look(World& world, const Desired& desired) {
  return run_to_rest(world, desired, std::nullopt, [&](const std::string& at) { expect_startable(world, at); });
}

void expect_calm(World& world, const Outcome& run) {
  ASSERT_TRUE(run.rested) << to_rfc3339(world.now);
  ASSERT_EQ(run.view.stage, Stage::proved) << run.view.next_step << ' ' << to_rfc3339(world.now);
  ASSERT_EQ(run.view.need, Need::none) << run.view.next_step << ' ' << to_rfc3339(world.now);
  ASSERT_EQ(world.served_fingerprint(), world.current_fingerprint());
  ASSERT_TRUE(world.pending.empty());
  ASSERT_LE(world.generations.size(), 4U);
  ASSERT_TRUE(world.context);
}

TEST(TenYears, OfRenewalsWithoutAnybodysHelp) {
  World world(ca(), start);
  const Desired desired = patient();
  for (; world.now < start + ten_years && !::testing::Test::HasFatalFailure(); world.now += between_looks) {
    const Outcome run = look(world, desired);
    expect_calm(world, run);
    ASSERT_TRUE(run.view.certificate && run.view.certificate->leaf.not_after - world.now > 24h) << to_rfc3339(world.now);
  }
  std::printf("ten years: %zu leaves served, %llu reloads, %zu events\n", world.served.size(), static_cast<unsigned long long>(world.reloads), world.events.size());
  EXPECT_NEAR(static_cast<double>(world.served.size()), 3652.0 / 60, 8);   // 90 days, renewed at two thirds, jitter only earlier
  EXPECT_EQ(world.reloads, world.served.size());                           // nothing is reloaded for nothing
}

// Each trouble begins, the daemon looks at it a few times, it ends, and what follows must be calm.
struct Trouble {
  const char* name;
  void (*begin)(World&);
  void (*end)(World&);
};

const std::vector<Trouble>& troubles() {
  static const std::vector<Trouble> all{
      {"the server is down", [](World& w) { w.server_up = false; }, [](World& w) { w.server_up = true, w.reload(); }},
      {"the disk is full", [](World& w) { w.disk_error = make_error(Errc::no_space, "no space left"); }, [](World& w) { w.disk_error.reset(); }},
      {"the issuer is away", [](World& w) { w.issuer_available = false; }, [](World& w) { w.issuer_available = true; }},
      {"the server refuses what is new", [](World& w) { w.refuses_new_leaf = true; }, [](World& w) { w.refuses_new_leaf = false; }},
      {"the clock jumps two months ahead and comes back", [](World& w) { w.now += days{60}; }, [](World& w) { w.now -= days{60}; }},
      {"the clock jumps back by a day", [](World& w) { w.now -= days{1}; }, [](World&) {}},
      {"the host sleeps for half a year", [](World& w) { w.now += days{180}; }, [](World&) {}},
      {"the memory is lost", [](World& w) { w.memory = {}; }, [](World&) {}},
      {"the key gets the wrong mode", [](World& w) { if (w.generations.contains(w.current)) w.generations[w.current].key_mode = 0640; }, [](World&) {}},
  };
  return all;
}

TEST(TenYears, OfTroubles) {
  std::mt19937 random(20'260'101);   // the same story each time
  const Desired desired = patient();
  World world(ca(), start);
  expect_calm(world, look(world, desired));
  std::map<std::string, int> seen;
  while (world.now < start + ten_years && !::testing::Test::HasFatalFailure()) {
    world.now += days{std::uniform_int_distribution<>(1, 40)(random)};
    const Trouble& trouble = troubles()[random() % troubles().size()];
    SCOPED_TRACE(testing::Message() << trouble.name << " at " << to_rfc3339(world.now));
    ++seen[trouble.name];
    trouble.begin(world);
    const bool repaired_first = trouble.name == troubles().back().name;   // it is not startable until the next look
    for (int looks = std::uniform_int_distribution<>(1, 6)(random); looks > 0; --looks, world.now += 3h) {
      const Outcome run = repaired_first ? run_to_rest(world, desired) : look(world, desired);
      ASSERT_TRUE(run.rested);
    }
    trouble.end(world);
    world.now += 2h;   // beyond every back-off
    expect_calm(world, look(world, desired));
  }
  for (const auto& [name, times] : seen) std::printf("%3d x %s\n", times, name.c_str());
  EXPECT_EQ(seen.size(), troubles().size());
}

}  // namespace
}  // namespace pgcertd::sim
