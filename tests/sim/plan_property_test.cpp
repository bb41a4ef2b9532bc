// lib/core/plan.cpp: properties of the plan over observations that no world would show by itself. Real observations of simulated
// worlds are spoiled at random, and whatever comes out, the plan never makes a server that works worse.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "core/plan.hpp"
#include "engine/observer.hpp"
#include "sim/driver.hpp"

namespace pgcertd::sim {
namespace {

using namespace std::chrono_literals;
using fake::World;

struct Seen {
  Observation observation;
  TimePoint now;
};

// What the daemon sees at each step of its way to rest.
void gather(World& world, const Desired& desired, std::vector<Seen>& out) {
  SilentLog log;
  engine::Reconciler reconciler(world.ports(), log);
  for (int i = 0; i < 60; ++i) {
    engine::Observer observer(world.ports());
    out.push_back({observer.observe(desired, world.memory, world.now), world.now});
    const engine::TickResult tick = reconciler.tick(desired, world.now, i == 0);
    if (tick.at_rest) break;
    world.now = std::max(world.now + 1ms, tick.wake_at);
  }
}

std::vector<Seen> observations() {
  std::vector<Seen> out;
  const Desired desired = desired_default();
  World world(ca(), start);
  gather(world, desired, out);
  for (int renewals = 0; renewals < 3; ++renewals) {
    world.now += days{61};
    gather(world, desired, out);
  }
  world.refuses_new_leaf = true;
  world.now += days{61};
  gather(world, desired, out);
  world.server_up = false;
  world.now += days{10};
  gather(world, desired, out);
  return out;
}

class Chaos {
 public:
  explicit Chaos(std::uint32_t seed) : random_(seed) {}

  bool coin() { return random_() % 2 == 0; }
  std::size_t below(std::size_t limit) { return random_() % limit; }
  template <class List>
  auto& any(List& list) { return list[below(list.size())]; }
  TimePoint moment(TimePoint now) { return now + std::chrono::seconds{std::uniform_int_distribution<std::int64_t>(-100'000, 100'000)(random_)}; }

  void spoil(Desired& d) {
    switch (below(12)) {
      case 0: d.cluster.layout = Layout::in_place; break;
      case 1: d.cluster.restart = coin() ? RestartPolicy::when_required : RestartPolicy::window; break;
      case 2: d.cluster.takeover = TakeoverPolicy::always; break;
      case 3: d.cluster.on_foreign_change = ForeignChangePolicy::replace; break;
      case 4: d.cluster.enable_ssl = false; break;
      case 5: d.issuer_type = IssuerType::offline; break;
      case 6: d.cluster.key_type = KeyType::rsa_2048; break;
      case 7: d.names.dns.push_back("other.example.org"); break;
      case 8: d.cluster.client_ca = coin() ? ClientCaPolicy::off : ClientCaPolicy::merge; break;
      case 9: d.cluster.reload_guard = ReloadGuard::wait; break;
      default: break;
    }
  }

  void spoil(Observation& o, TimePoint now) {
    switch (below(6)) {
      case 0: spoil_server(o, now); break;
      case 1: spoil_generations(o); break;
      case 2: spoil_memory(o, now); break;
      case 3: spoil_issuer(o, now); break;
      case 4: spoil_live(o, now); break;
      default: spoil_proof(o, now); break;
    }
  }

 private:
  void spoil(LeafJudgement& j) {
    for (bool* fact : {&j.loads, &j.key_read, &j.key_matches, &j.chain_ok, &j.chain_incomplete, &j.weak, &j.revoked})
      if (below(3) == 0) *fact = coin();
  }
  void spoil_server(Observation& o, TimePoint now) {
    PostgresSeen& s = o.server;
    switch (below(7)) {
      case 0: s.fault = coin() ? ServerFault::down : static_cast<ServerFault>(below(11)); break;
      case 1: s.known = coin(); break;
      case 2: s.settings["ssl"].value = coin() ? "on" : "off"; break;
      case 3: s.settings[coin() ? "ssl_cert_file" : "ssl_key_file"].value = coin() ? "/elsewhere" : ""; break;
      case 4: s.privileges = {coin(), coin(), coin(), coin(), coin()}; break;
      case 5: s.server_uid = coin() ? static_cast<uid_t>(-1) : 26; break;
      default: s.config_loaded = moment(now); break;
    }
  }
  void spoil_generations(Observation& o) {
    GenerationsSeen& g = o.generations;
    const auto some_id = [&] { return g.all.empty() || below(4) == 0 ? std::string{coin() ? "" : "20000101T000000Z-00000000"} : any(g.all).id; };
    if (below(4) == 0) o.blind = true;
    if (coin()) (coin() ? g.current : g.way_back) = some_id();
    if (g.all.empty()) return;
    GenerationSeen& one = any(g.all);
    switch (below(6)) {
      case 0: one.complete = false; break;
      case 1: one.changed = true; break;
      case 2: one.chain.clear(), one.complete = false; break;
      case 3: one.origin = static_cast<Origin>(below(4)); break;
      case 4: for (FileSeen& file : one.files) file.mode ^= coin() ? 0644U : 0U; break;
      default: g.all.erase(g.all.begin() + static_cast<std::ptrdiff_t>(below(g.all.size()))); break;
    }
  }
  void spoil_memory(Observation& o, TimePoint now) {
    ClusterMemory& m = o.memory;
    const GenerationsSeen& g = o.generations;
    switch (below(10)) {
      case 0: m.proved.clear(); break;
      case 1: if (!g.all.empty()) m.publish = PublishAttempt{any(g.all).id, "", moment(now), static_cast<std::uint32_t>(below(4)), moment(now), moment(now)}; break;
      case 2: if (!g.all.empty()) m.refused.push_back({g.all[below(g.all.size())].id, "chaos", now}); break;
      case 3: m.pause = Pause{moment(now), "chaos"}; break;
      case 4: m.rotate_asked_at = moment(now); break;
      case 5: m.rollback_asked_at = moment(now); break;
      case 6: m.retry_at = moment(now); m.consecutive_failures = static_cast<std::uint32_t>(below(5)); break;
      case 7: m.settings_changed_at = moment(now); m.settings_tries = static_cast<std::uint32_t>(below(5)); break;
      case 8: m.original_auto_conf.reset(); break;
      default: m.takeover = TakeoverGrant{coin() ? pair_in_place(o.live) : "another", moment(now)}; break;
    }
  }
  void spoil_issuer(Observation& o, TimePoint now) {
    switch (below(4)) {
      case 0: o.issuer.available = false; break;
      case 1: o.pending.clear(); break;
      case 2: for (auto& [spki, answer] : o.answers) answer = coin() ? IssuerAnswer{Pending{moment(now)}} : coin() ? IssuerAnswer{Unknown{}} : IssuerAnswer{Refused{make_error(Errc::refused, "chaos")}}; break;
      default: o.clock_doubt = ClockDoubt{3h, moment(now)}; break;
    }
  }
  void spoil_live(Observation& o, TimePoint now) {
    switch (below(7)) {
      case 0: o.live.ours = !o.live.ours; break;
      case 1: o.live.linked = !o.live.linked; break;
      case 2: o.live.readable = !o.live.readable; break;
      case 3: spoil(o.live.judgement); break;
      case 4: o.live.snakeoil = coin(); break;
      case 5: o.restart = RestartOutlook{coin() ? "systemctl restart postgresql" : "", "", coin() ? std::vector<std::string>{"a base backup"} : std::vector<std::string>{}, {}, {}, {}, {}}; break;
      default: o.in_place = InPlaceSeen{{"/data/server.crt", static_cast<InPlacePath::State>(below(3)), moment(now)}, {"/data/server.key", static_cast<InPlacePath::State>(below(3)), moment(now)}, coin() ? "" : "chaos"}; break;
    }
  }
  void spoil_proof(Observation& o, TimePoint now) {
    if (o.current && coin()) spoil(*o.current);
    if (coin()) o.detail.reset();
    for (CandidateJudgement& c : o.candidates)
      if (coin()) c.preflight_error = coin() ? "chaos" : "";
    for (ProbeSeen& p : o.probes) {
      if (coin()) p.outcome = static_cast<ProbeOutcome>(below(6));
      if (below(3) == 0) p.chain.clear();
      p.probed_at = moment(now);
    }
    if (below(4) == 0) o.canary = static_cast<CanaryVerdict>(below(4));
  }

  std::mt19937 random_;
};

// What a plan must not be, by what was seen. Empty: it holds.
struct Judge {
  const Desired& desired;
  const Observation& seen;
  const TimePoint now;

  [[nodiscard]] bool paused() const { return seen.memory.pause && seen.memory.pause->until > now; }
  [[nodiscard]] const GenerationSeen* current() const { return seen.generations.live(); }

  std::string fault(const action::MakeRequest&) const { return may_issue(); }
  std::string fault(const action::Submit&) const { return may_issue(); }
  std::string fault(const action::Stage&) const { return may_issue(); }
  std::string fault(const action::Adopt&) const { return seen.live.ours ? "what is ours is adopted" : may_issue(); }
  std::string fault(const action::DropPending&) const { return seen.blind ? "something is thrown away blindly" : ""; }
  std::string fault(const action::Refuse& a) const { return a.generation == seen.generations.current ? "the current generation is refused, and would be removed" : ""; }
  std::string fault(const action::Publish& a) const {
    const GenerationSeen* g = seen.generations.find(a.generation);
    if (g == nullptr || !g->complete || g->chain.empty()) return "what is not whole is published";
    if (g == current()) return "what is current is published";
    if (seen.memory.is_refused(g->id)) return "what was refused is published";
    const auto judged = std::find_if(seen.candidates.begin(), seen.candidates.end(), [&](const auto& c) { return c.generation == a.generation; });
    if (judged == seen.candidates.end() || !judged->preflight_error.empty()) return "what did not pass its preflight is published";
    if (seen.blind) return "published blindly";
    if (seen.server.reachable() && !seen.server.privileges.reload && !seen.server.privileges.superuser && desired.own_uid != seen.server.server_uid) return "published where no reload may be asked for";
    return "";
  }
  std::string fault(const action::ChangeSettings& a) const {
    if (paused()) return "settings are changed in a pause";
    if (!seen.server.reachable()) return "settings of a server that does not answer are changed";
    if (const auto ssl = a.change.values.find("ssl"); ssl != a.change.values.end() && ssl->second != "on") return "TLS is switched off";
    if (!current() || !current()->complete) return "settings lead to what is not whole";
    if (needs_takeover(desired, seen)) return "somebody else's TLS is replaced without consent";
    return a.change.values.contains("ssl_cert_file") == a.change.values.contains("ssl_key_file") ? "" : "half a pair is moved";
  }
  std::string fault(const action::LinkLive&) const { return paused() ? "links are made in a pause" : needs_takeover(desired, seen) ? "linked without consent" : ""; }
  std::string fault(const action::Reload&) const { return ""; }
  std::string fault(const action::MarkProved& a) const {
    const GenerationSeen* g = seen.generations.find(a.generation);
    if (g == nullptr || g->chain.empty() || g != current()) return "what is not current is called proved";
    return proof_of(seen.probes, g->chain.front().fingerprint_sha256) == Proof::shown ? "" : "called proved without a handshake";
  }
  std::string fault(const action::RollBack& a) const {
    if (a.to.empty()) return seen.memory.original_auto_conf && !seen.memory.original_ssl_on ? "" : "back to settings that had TLS, or are not known";
    return proved_and_whole(a.to);
  }
  std::string fault(const action::PutBack& a) const { return proved_and_whole(a.from); }
  std::string fault(const action::Refresh&) const { return current() && current()->complete && !current()->changed ? "" : "a set that is not whole is carried on"; }
  std::string fault(const action::RepairFile& a) const { return a.generation == seen.generations.current ? "" : "files that are not current are repaired"; }
  std::string fault(const action::Collect& a) const {
    if (seen.blind || seen.clock_doubt) return "something is thrown away though what is seen may be wrong";
    for (const std::string& id : a.generations) {
      if (id == seen.generations.current || id == seen.generations.way_back) return "what is current, or the way back, is thrown away";
      if (!seen.memory.proved.empty() && seen.memory.proved.back().generation == id) return "the last proved one is thrown away";
    }
    return "";
  }
  std::string fault(const action::Restart&) const {
    if (desired.cluster.restart == RestartPolicy::never) return "restarted against the policy";
    return seen.restart && seen.restart->blockers.empty() && !seen.restart->method.empty() ? "" : "restarted though something is against it";
  }
  std::string fault(const action::NoteRestart&) const { return ""; }

 private:
  [[nodiscard]] std::string may_issue() const {
    if (seen.blind || seen.clock_doubt) return "issued though what is seen may be wrong";
    if (paused()) return "issued in a pause";
    return needs_takeover(desired, seen) ? "issued without consent" : "";
  }
  [[nodiscard]] std::string proved_and_whole(const std::string& id) const {
    const GenerationSeen* g = seen.generations.find(id);
    return g != nullptr && g->complete && seen.memory.is_proved(id) && g != current() ? "" : "back to what was never proved, is not whole, or is current";
  }
};

std::string text(const Plan& p) {
  std::string out = std::string(to_string(p.need)) + "/" + std::string(to_string(p.stage)) + " " + (p.action ? describe(*p.action) : "none") + (p.at_rest ? " rest " : " ") + to_rfc3339(p.wake_at);
  for (const std::string& reason : p.reasons) out += "\n  " + reason;
  for (const Finding& f : p.findings) out += "\n  " + std::string(to_string(f.code)) + ": " + f.message + " / " + f.remedy;
  return out;
}

void expect_sound(const Desired& desired, const Observation& seen, TimePoint now) {
  const Plan first = plan(desired, seen, now);
  ASSERT_EQ(text(first), text(plan(desired, seen, now))) << "the same observation, wish and moment give the same plan";
  ASSERT_FALSE(first.action && first.at_rest);
  if (!first.action) {
    ASSERT_GT(first.wake_at, now) << "a plan without a step waits for something: else the daemon would spin\n" << text(first);
    ASSERT_LE(first.wake_at, now + std::max<Duration>(desired.check_interval, 1h));
    return;
  }
  const std::string fault = std::visit([&](const auto& action) { return Judge{desired, seen, now}.fault(action); }, *first.action);
  ASSERT_EQ(fault, "") << text(first);
}

TEST(PlanProperties, NeverMakesAWorkingServerWorse) {
  const std::vector<Seen> seen = observations();
  ASSERT_GT(seen.size(), 30U);
  std::map<std::string, int> planned;
  Chaos chaos(20'260'101);   // the same story each time
  for (int i = 0; i < 20'000 && !HasFatalFailure(); ++i) {
    const Seen& base = chaos.any(seen);
    Desired desired = desired_default();
    Observation observation = base.observation;
    const TimePoint now = chaos.coin() ? base.now : chaos.moment(base.now);
    for (std::size_t n = chaos.below(3); n > 0; --n) chaos.spoil(desired);
    for (std::size_t n = chaos.below(6); n > 0; --n) chaos.spoil(observation, now);
    SCOPED_TRACE(i);
    expect_sound(desired, observation, now);
    const Plan made = plan(desired, observation, now);
    ++planned[made.action ? std::string(name(*made.action)) : "rest"];
  }
  for (const auto& [action, times] : planned) std::printf("%6d x %s\n", times, action.c_str());
  EXPECT_GE(planned.size(), 15U) << "the chaos meets nearly every kind of step";
}

// Whatever troubles come together in whatever order, the daemon comes to rest, PostgreSQL could start at each moment after the first
// proof, and when the troubles are over it is proved again.
TEST(PlanProperties, AlwaysEnds) {
  Chaos chaos(7);
  for (int story = 0; story < 60 && !HasFatalFailure(); ++story) {
    SCOPED_TRACE(story);
    const Desired desired = desired_default();
    World world(ca(), start);
    ASSERT_TRUE(run_to_rest(world, desired).rested);
    for (int turn = 0; turn < 12; ++turn) {
      world.server_up = chaos.below(4) != 0;
      world.issuer_available = chaos.below(4) != 0;
      world.refuses_new_leaf = chaos.below(4) == 0;
      world.disk_error = chaos.below(4) == 0 ? std::optional{make_error(Errc::no_space, "chaos")} : std::nullopt;
      world.now += std::chrono::hours{chaos.below(24UL * 40)};
      if (chaos.below(4) == 0) world.memory.rotate_asked_at = world.now;
      const std::optional<Where> death = chaos.coin() ? std::optional{Where{chaos.below(60), chaos.coin() ? engine::CallPhase::before : engine::CallPhase::after}} : std::nullopt;
      const Outcome run = run_to_rest(world, desired, death, [&](const std::string& call) { ASSERT_TRUE(world.can_start()) << "after " << call; });
      ASSERT_TRUE(run.rested || run.crashed);
    }
    world.server_up = world.issuer_available = true;
    world.refuses_new_leaf = false;
    world.disk_error.reset();
    world.reload();
    world.now += 2h;   // beyond every back-off
    const Outcome healed = run_to_rest(world, desired);
    ASSERT_TRUE(healed.rested);
    ASSERT_EQ(healed.view.stage, Stage::proved) << healed.view.next_step;
    ASSERT_EQ(healed.view.need, Need::none) << healed.view.next_step;
    ASSERT_EQ(world.served_fingerprint(), world.current_fingerprint());
  }
}

}  // namespace
}  // namespace pgcertd::sim
