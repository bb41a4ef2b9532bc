// The walk: rules in order of urgency, the first that has something to say decides this tick's one step. Rules that protect
// what is live are in plan_live.cpp.
#include "core/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/walk.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t keys_kept = 3;

// Unknown is not spoiled.
bool spoiled(const Walk& w) {
  if (w.current == nullptr || w.current->key_denied || w.current_refused()) return false;
  if (w.current->chain.empty() || w.current->key_spki_sha256.empty()) return true;
  return w.seen.current && (!w.seen.current->key_matches || !w.seen.current->loads);
}

// Will the leaf that is wanted be there in a moment?
bool new_one_soon(const Walk& w) {
  const auto pending = [](const auto& answer) { return std::holds_alternative<Pending>(answer.second); };
  return w.seen.issuer.available && !w.paused() && !w.backing_off() && std::none_of(w.seen.answers.begin(), w.seen.answers.end(), pending);
}

// Newer than the current one, whole, and neither proved nor refused.
bool may_follow(const Walk& w, const GenerationSeen& g) {
  if (!g.complete || w.seen.memory.is_refused(g.id) || w.seen.memory.is_proved(g.id)) return false;
  return w.current == nullptr || g.number > w.current->number;
}

// Is this generation wanted as the next one?
bool wanted(const Walk& w, const GenerationSeen& g) {
  if (!may_follow(w, g)) return false;
  if (g.origin == Origin::adopted) {
    return !w.seen.live.ours && !w.seen.live.chain.empty() && !g.chain.empty() &&
           g.chain.front().fingerprint_sha256 == w.seen.live.chain.front().fingerprint_sha256;
  }
  if (g.origin == Origin::refreshed) return false;   // trust() has it
  return w.need.need != Need::none;
}

const GenerationSeen* candidate(const Walk& w) {
  const auto& all = w.seen.generations.all;
  for (auto it = all.rbegin(); it != all.rend(); ++it)
    if (wanted(w, *it)) return &*it;
  return nullptr;
}

std::optional<Decision> publish_judged(const Walk& w, const GenerationSeen& next) {
  for (const CandidateJudgement& judged : w.seen.candidates) {
    if (judged.generation != next.id) continue;
    if (!judged.preflight_error.empty())
      return act(Stage::staged, action::Refuse{next.id, next.chain.empty() ? "" : next.chain.front().fingerprint_sha256, judged.preflight_error}, "the preflight refuses it");
    if (w.seen.server.reachable() && !w.may_reload()) return rest(Stage::staged, "a reload may not be asked for, so nothing is published");
    if (w.guarded()) return rest(Stage::staged, "a reload would also apply what somebody is editing; it is awaited");
    return act(Stage::staged, action::Publish{next.id}, "the staged generation passed its preflight");
  }
  return std::nullopt;
}

// An operator wants the pair before; or the current one is spoiled, and a new one may take long.
std::optional<Decision> put_back(const Walk& w) {
  const bool asked = w.seen.memory.rollback_asked_at.has_value();
  if (!w.seen.live.ours || !(asked || (spoiled(w) && !new_one_soon(w)))) return std::nullopt;
  for (const GenerationSeen& g : w.seen.generations.all)
    if (g.origin == Origin::rolled_back && may_follow(w, g)) return publish_judged(w, g);
  const GenerationSeen* target = pair_to_put_back(w.seen, w.now, asked);
  if (target == nullptr) return std::nullopt;
  const std::string why = asked ? "an operator wants the pair that was proved before" : "the current generation is spoiled and a new one cannot be had at once";
  return act(Stage::nothing, action::PutBack{target->id, why}, why);
}

// Nothing is issued, published or thrown away at a time that may be wrong.
std::optional<Decision> distrust_clock(const Walk& w) {
  if (!w.seen.clock_doubt) return std::nullopt;
  return rest(w.current_proved() ? Stage::proved : Stage::nothing, "the wall clock jumped; nothing is issued until it is stable");
}

// A tried set waits, so that one that is refused each time is no hot loop.
bool awaits_next_try(const Walk& w) {
  const auto& trouble = w.seen.memory.trust_trouble;
  return trouble && trouble->at <= w.now && w.now - trouble->at < backoff(trouble->tries, w.desired.check_interval);
}

// CRLs never wait behind a leaf: the live pair is carried on beside them. Nor do they for a pause.
std::optional<Decision> trust(const Walk& w) {
  if (w.current == nullptr || !w.seen.live.ours || !w.current_proved() || w.current->changed) return std::nullopt;
  for (auto it = w.seen.generations.all.rbegin(); it != w.seen.generations.all.rend(); ++it)
    if (it->origin == Origin::refreshed && may_follow(w, *it)) return publish_judged(w, *it);
  TrustStep step = trust_step(w.desired, w.seen);
  if (!step.wanted || (!w.may_reload() && w.seen.server.reachable())) return std::nullopt;
  if (awaits_next_try(w)) return std::nullopt;
  return act(Stage::proved, action::Refresh{step.why}, step.why);
}

// Nothing of somebody else's working TLS is touched without consent.
std::optional<Decision> ask_first(const Walk& w) {
  if (!needs_takeover(w.desired, w.seen)) return std::nullopt;
  return rest(Stage::nothing, "a certificate of somebody else is in place; consent is awaited");
}

std::optional<Decision> publish(const Walk& w) {
  const GenerationSeen* next = candidate(w);
  return next == nullptr ? std::nullopt : publish_judged(w, *next);
}

// TLS is on with files of somebody else that we may take over: they are copied first.
std::optional<Decision> adopt(const Walk& w) {
  const PostgresSeen& server = w.seen.server;
  if (w.paused() || !server.known || !server.ssl_on() || w.seen.live.ours || !w.seen.live.readable || !w.seen.live.judgement.loads) return std::nullopt;
  if (w.current != nullptr && !w.seen.live.chain.empty() && !w.current->chain.empty() &&
      w.current->chain.front().fingerprint_sha256 == w.seen.live.chain.front().fingerprint_sha256 && !w.current_refused())
    return std::nullopt;
  if (!w.may_reload() && server.reachable()) return rest(Stage::nothing, "a reload may not be asked for, so nothing is changed");
  return act(Stage::nothing, action::Adopt{}, "the live pair is copied before the paths are moved");
}

bool fits(const Walk& w, const PendingSeen& pending) { return pending.names == w.desired.names && pending.key_type == w.desired.cluster.key_type; }

std::optional<TimePoint> outlive(const Walk& w) {
  if (w.need.need != Need::due) return std::nullopt;   // any other need outweighs a shorter life
  return w.current->chain.front().not_after;
}

std::optional<Decision> answer(const Walk& w, const PendingSeen& pending) {
  for (const auto& [spki, answered] : w.seen.answers) {
    if (spki != pending.spki_sha256) continue;
    if (std::holds_alternative<Issued>(answered)) return act(Stage::issued, action::Stage{spki}, "the certificate is there");
    if (std::holds_alternative<Pending>(answered)) return rest(Stage::requested, "the request awaits its signature");
    // An error that may pass says nothing of the request, for which there may be a certificate by now: it is handed in again.
    if (const auto* refused = std::get_if<Refused>(&answered); refused != nullptr && is_final(*refused))
      return act(Stage::requested, action::DropPending{spki, refused->why.text()}, "the issuer refused it");
  }
  if (!w.seen.issuer.available) return rest(Stage::requested, "the issuer cannot sign: " + w.seen.issuer.why);
  return act(Stage::requested, action::Submit{pending.spki_sha256, outlive(w)}, "the request is handed to the issuer");
}

std::optional<Decision> requests(const Walk& w) {
  for (const PendingSeen& pending : w.seen.pending) {
    if (w.need.need == Need::none) return act(Stage::proved, action::DropPending{pending.spki_sha256, "it is not wanted any more"}, "a request is left over");
    if (!fits(w, pending)) return act(Stage::requested, action::DropPending{pending.spki_sha256, "names or key type have changed"}, "a request is out of date");
    return answer(w, pending);
  }
  return std::nullopt;
}

std::optional<Decision> hold_back(const Walk& w) {
  if (w.need.need == Need::none) return std::nullopt;
  if (w.paused()) return rest(w.current_proved() ? Stage::proved : Stage::nothing, "rotation is paused: " + w.seen.memory.pause->reason);
  if (w.backing_off()) return rest(Stage::refused, "the last try failed; the next is at " + to_rfc3339(*w.seen.memory.retry_at));
  return std::nullopt;
}

std::optional<Decision> request_new(const Walk& w) {
  if (w.need.need == Need::none) return std::nullopt;
  if (!w.seen.server.known) return rest(Stage::nothing, "nothing is known of the server yet");
  if (w.seen.server.reachable() && !w.may_reload()) return rest(Stage::nothing, "a reload may not be asked for, so nothing is issued");
  if (!w.seen.issuer.available) return rest(Stage::nothing, "the issuer cannot sign: " + w.seen.issuer.why);
  if (w.desired.names.dns.empty() && w.desired.names.ip.empty()) return rest(Stage::nothing, "no name is configured and the host has no FQDN");
  return act(Stage::nothing, action::MakeRequest{w.desired.cluster.key_type, w.desired.names}, w.need.why);
}

// Two sections of the configuration mean one server: it has one cluster, or the two would change its files in turn.
std::optional<Decision> leave_alone(const Walk& w) {
  if (w.seen.held_by.empty()) return std::nullopt;
  return rest(Stage::nothing, "the server is that of cluster " + w.seen.held_by + "; nothing is done for this one");
}

bool publishes_now(const Walk& w) {
  if (hold_back(w)) return false;
  const auto next = publish(w);
  return next && next->action && std::holds_alternative<action::Publish>(*next->action);
}

// Beyond current, the last proved one and the way back, the newest generations of three key pairs are kept. What is about to be
// published does not wait for this.
std::optional<Decision> collect(const Walk& w) {
  if (publishes_now(w)) return std::nullopt;
  std::set<std::string> keys, kept{w.seen.generations.current, w.seen.generations.way_back};
  if (!w.seen.memory.proved.empty()) kept.insert(w.seen.memory.proved.back().generation);
  if (const GenerationSeen* next = candidate(w)) kept.insert(next->id);
  std::vector<std::string> gone;
  const auto& all = w.seen.generations.all;
  for (auto it = all.rbegin(); it != all.rend(); ++it) {
    if (kept.contains(it->id)) {
      keys.insert(it->key_spki_sha256);
      continue;
    }
    const bool useful = it->complete && w.seen.memory.is_proved(it->id) && (keys.contains(it->key_spki_sha256) ? false : keys.size() < keys_kept);
    if (useful) keys.insert(it->key_spki_sha256);
    else gone.push_back(it->id);
  }
  if (gone.empty()) return std::nullopt;
  return act(Stage::proved, action::Collect{std::move(gone)}, "old generations are collected and their keys wiped");
}

// Order of judgement. What protects the live set comes before what would change it.
constexpr std::array<Rule, 19> rules{leave_alone, look_first, repair_files,   foreign_change, undo_refused, prove,     restart, ask_first, settings, put_back,
                                     distrust_clock, trust,      collect,        trust_settings, hold_back, publish, adopt,     requests, request_new};

Decision decide(const Walk& walk) {
  for (const Rule rule : rules)
    if (auto decision = rule(walk)) return std::move(*decision);
  return rest(walk.current_proved() ? Stage::proved : Stage::nothing, "nothing is wanted");
}

TimePoint next_look(const Walk& w) {
  TimePoint at = w.now + w.desired.check_interval;
  const auto doubted = w.seen.clock_doubt ? std::optional{w.seen.clock_doubt->until} : std::nullopt;
  for (const auto& moment : {w.need.renew_at, w.seen.memory.retry_at, w.seen.memory.pause ? std::optional{w.seen.memory.pause->until} : std::nullopt, doubted})
    if (moment && *moment > w.now) at = std::min(at, *moment);
  return at;
}

}  // namespace

Plan plan(const Desired& desired, const Observation& seen, TimePoint now) {
  const NeedOf need = need_of(desired, seen, now);
  const Walk walk{desired, seen, need, now, seen.generations.live()};
  Decision decision = decide(walk);
  Plan out;
  out.need = need.need;
  out.stage = decision.stage;
  out.findings = judge(desired, seen, need, now);
  out.action = std::move(decision.action);
  if (need.need != Need::none) out.reasons.push_back(need.why);
  if (decision.reason != need.why) out.reasons.push_back(std::move(decision.reason));
  out.wake_at = decision.wake_at ? *decision.wake_at : next_look(walk);
  out.renew_at = need.renew_at;
  out.at_rest = !out.action && !decision.wake_at;
  return out;
}

bool may_replace(const Desired& desired, const Observation& seen) {
  return desired.cluster.on_foreign_change == ForeignChangePolicy::replace || consented(seen);
}

bool holds_foreign_pair(const Desired& desired, const Observation& seen, TimePoint now) {
  const GenerationSeen* current = seen.generations.live();
  if (current == nullptr || !current->changed || current->chain.empty() || !seen.current || !seen.live.ours || may_replace(desired, seen)) return false;
  if (!seen.memory.is_proved(current->id)) return false;   // its rotation is not over: it is proved, or rolled back
  return seen.current->loads && seen.current->key_matches && now < current->chain.front().not_after;
}

const GenerationSeen* pair_to_put_back(const Observation& seen, TimePoint now, bool another) {
  const GenerationSeen* current = seen.generations.live();
  const std::string live = another && current != nullptr && !current->chain.empty() ? current->chain.front().fingerprint_sha256 : "";
  const auto& proved = seen.memory.proved;
  for (auto it = proved.rbegin(); it != proved.rend(); ++it) {
    const GenerationSeen* g = seen.generations.find(it->generation);
    if (g == nullptr || !g->complete || g->id == seen.generations.current || g->chain.empty()) continue;
    const CertFacts& leaf = g->chain.front();
    if (leaf.not_after > now && leaf.fingerprint_sha256 != live && !seen.memory.is_refused(leaf.fingerprint_sha256)) return g;
  }
  return nullptr;
}

bool settings_stand(const Desired& desired, const Observation& seen, TimePoint now) {
  const auto& changed = seen.memory.settings_changed_at;
  if (!changed || now - *changed < backoff(1, desired.check_interval)) return false;
  const bool in_force = seen.server.reachable() && seen.server.ssl_on() && seen.live.ours;
  return in_force && (trust_in_force(seen) || !trust_wish(desired, seen).wanted);
}

Duration backoff(std::uint32_t failures, Duration check_interval) {
  Duration delay = std::max<Duration>(check_interval, 1s);
  for (std::uint32_t i = 1; i < failures && delay < 1h; ++i) delay *= 2;
  return std::min<Duration>(delay, 1h);
}

}  // namespace pgcertd
