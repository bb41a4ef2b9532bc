// The walk: rules in order of urgency, the first that has something to say decides this tick's one step.
#include "core/plan.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "core/audit.hpp"
#include "core/permissions.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;

// After a reload PostgreSQL takes up to 90 ms to serve the new files (measured); looking again is cheap.
constexpr Duration look_again = 25ms;
constexpr Duration look_at_least = 1s;
constexpr Duration second_reload_after = 500ms;
constexpr std::uint32_t keys_kept = 3;

struct Walk {
  const Desired& desired;
  const Observation& seen;
  const NeedOf& need;
  TimePoint now;
  const GenerationSeen* current;

  [[nodiscard]] bool paused() const { return seen.memory.pause && seen.memory.pause->until > now; }
  // A clock that was set back must not turn a back-off of minutes into one of years.
  [[nodiscard]] bool backing_off() const {
    const auto& at = seen.memory.retry_at;
    return at && *at > now && *at - now <= backoff(32, desired.check_interval);
  }
  [[nodiscard]] bool current_proved() const { return current != nullptr && seen.memory.is_proved(current->id); }
  [[nodiscard]] bool current_refused() const { return current != nullptr && seen.memory.is_refused(current->id); }
  // Can the server be told to read its files again by the configured way?
  [[nodiscard]] bool may_reload() const {
    return seen.server.privileges.reload || desired.cluster.reload.kind == ReloadMethod::Kind::systemd ||
           desired.own_uid == seen.server.server_uid;
  }
  // A reload that would also apply what somebody is half-way through editing waits, but not until the certificate ends.
  [[nodiscard]] bool guarded() const {
    if (desired.cluster.reload_guard != ReloadGuard::wait || !seen.detail || !seen.server.reachable() || urgent()) return false;
    return !pending_changes(seen.server, *seen.detail).empty();
  }
  [[nodiscard]] bool urgent() const {
    if (current == nullptr || current->chain.empty()) return false;
    const CertFacts& leaf = current->chain.front();
    return leaf.not_after - now < (leaf.not_after - leaf.not_before) / 10;
  }
  [[nodiscard]] const PublishAttempt* attempt() const {
    const auto& publish = seen.memory.publish;
    return publish && current != nullptr && publish->generation == current->id ? &*publish : nullptr;
  }
};

struct Decision {
  std::optional<Action> action;
  Stage stage = Stage::nothing;
  std::string reason;
  std::optional<TimePoint> wake_at;   // sooner than the next pass: the cluster is not at rest
};
using Rule = std::optional<Decision> (*)(const Walk&);

Decision act(Stage stage, Action action, std::string reason) { return {std::move(action), stage, std::move(reason), std::nullopt}; }
Decision rest(Stage stage, std::string reason) { return {std::nullopt, stage, std::move(reason), std::nullopt}; }
Decision soon(Stage stage, std::string reason, TimePoint at) { return {std::nullopt, stage, std::move(reason), at}; }

// The newest proved generation that is whole and not the current one.
const GenerationSeen* rollback_target(const Walk& w) {
  const auto& proved = w.seen.memory.proved;
  for (auto it = proved.rbegin(); it != proved.rend(); ++it) {
    const GenerationSeen* g = w.seen.generations.find(it->generation);
    if (g != nullptr && g->complete && g != w.current) return g;
  }
  return nullptr;
}

// Unknown is not spoiled.
bool spoiled(const Walk& w) {
  if (w.current == nullptr || w.current->key_denied || w.current_refused()) return false;
  if (w.current->chain.empty() || w.current->key_spki_sha256.empty()) return true;
  return w.seen.current && (!w.seen.current->key_matches || !w.seen.current->loads);
}

// Nothing of what somebody put in place of ours, and which works, is overwritten in silence.
std::optional<Decision> foreign_change(const Walk& w) {
  if (!holds_foreign_pair(w.desired, w.seen, w.now)) return std::nullopt;
  return rest(Stage::nothing, "somebody replaced the files of the current generation; consent is awaited");
}

// Will the leaf that is wanted be there in a moment?
bool new_one_soon(const Walk& w) {
  const auto pending = [](const auto& answer) { return std::holds_alternative<Pending>(answer.second); };
  return w.seen.issuer.available && !w.paused() && !w.backing_off() && std::none_of(w.seen.answers.begin(), w.seen.answers.end(), pending);
}

// A certificate is not issued again because a directory could not be read for a moment.
std::optional<Decision> look_first(const Walk& w) {
  if (!w.seen.blind) return std::nullopt;
  return rest(Stage::nothing, "the state directory could not be read; nothing is decided from what it may hold");
}

std::optional<Decision> repair_files(const Walk& w) {
  if (w.current == nullptr || !w.seen.server.user_known()) return std::nullopt;
  const ServerIdentity server = w.seen.server.identity();
  for (const FileSeen& file : w.current->files) {
    if (file.kind != FileSeen::Kind::regular || file.links != 1) continue;
    const bool is_key = file.path.ends_with(file_name(FileRole::key));
    const FileVerdict verdict = is_key ? judge_key(server, file) : judge_public(server, file);
    if (verdict == FileVerdict::ok) continue;
    for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl})
      if (file.path.ends_with(file_name(role)))
        return act(Stage::proved, action::RepairFile{w.current->id, role}, fmt::format("{} is {}", file_name(role), to_string(verdict)));
  }
  return std::nullopt;
}

std::optional<Decision> undo_refused(const Walk& w) {
  if (!w.current_refused() || !w.seen.live.ours || !w.seen.server.known) return std::nullopt;
  if (const GenerationSeen* target = rollback_target(w))
    return act(Stage::refused, action::RollBack{w.current->id, target->id, "it was refused"}, "the current generation was refused");
  if (w.seen.memory.original_auto_conf && !w.seen.memory.original_ssl_on && w.seen.server.reachable() && w.seen.server.ssl_on())
    return act(Stage::refused, action::RollBack{w.current->id, {}, "it was refused"}, "the current generation was refused and nothing was served before");
  return std::nullopt;
}

Decision roll_back(const Walk& w, const std::string& why) {
  const GenerationSeen* target = rollback_target(w);
  if (target == nullptr && !(w.seen.memory.original_auto_conf && !w.seen.memory.original_ssl_on))
    return rest(Stage::published, why + "; there is nothing proved to go back to");
  return act(Stage::published, action::RollBack{w.current->id, target ? target->id : std::string{}, why}, why);
}

// Often at first, for that is when it shows; a server that does not is not pestered.
TimePoint next_proof(TimePoint now, Duration since_reload) { return now + std::clamp<Duration>(since_reload / 3, look_again, look_at_least); }

// What the handshakes show is not the current generation: reload once more, then roll back.
Decision contradicted(const Walk& w, Stage stage) {
  const PublishAttempt* attempt = w.attempt();
  if (!w.may_reload()) return rest(stage, "the server does not serve the current generation, and a reload may not be asked for");
  if (attempt == nullptr || attempt->reloads == 0 || !attempt->last_reload_at || !attempt->first_reload_at)
    return act(stage, action::Reload{w.current->id}, "the server does not serve the current generation yet");
  const Duration since_last = w.now - *attempt->last_reload_at, since_first = w.now - *attempt->first_reload_at;
  const bool clock_went_back = since_last < 0ms || since_first < 0ms;
  const bool last_resort = w.current->origin == Origin::rolled_back && !w.seen.memory.rollback_asked_at;
  if (w.current_proved() || last_resort) {   // nothing better to go back to
    const Duration wait = attempt->reloads < 2 ? second_reload_after : backoff(attempt->reloads, w.desired.check_interval);
    if (clock_went_back || since_last >= wait) return act(stage, action::Reload{w.current->id}, "the server serves another certificate than the current one");
    if (since_last < second_reload_after) return soon(stage, "waiting for the server to take the current certificate", next_proof(w.now, since_last));
    return rest(stage, "the server serves another certificate than the current one");
  }
  if (clock_went_back || (attempt->reloads < 2 && since_last >= second_reload_after))
    return act(stage, action::Reload{w.current->id}, "the server still does not serve the current generation");
  if (since_first >= roll_back_after) return roll_back(w, fmt::format("no handshake showed it within {} and {} reloads", to_text(roll_back_after), attempt->reloads));
  return soon(stage, "waiting for a handshake that shows the new certificate", next_proof(w.now, since_last));
}

std::optional<Decision> prove(const Walk& w) {
  if (w.current == nullptr || w.current->chain.empty() || !w.seen.live.ours || w.current_refused()) return std::nullopt;
  const Stage stage = w.current_proved() ? Stage::proved : Stage::published;
  const bool open = !w.current_proved() || w.attempt() != nullptr;
  const PublishAttempt* attempt = w.attempt();
  if (!w.seen.server.reachable() && open) return rest(stage, "the proof waits until the server can be reached");
  switch (proof_of(w.seen.probes, w.current->chain.front().fingerprint_sha256)) {
    case Proof::shown:
      if (!open) return std::nullopt;
      if (!w.current_proved() && (attempt == nullptr || attempt->reloads == 0) && w.may_reload())
        return act(stage, action::Reload{w.current->id}, "the server is told to read its files before the proof counts");
      return act(stage, action::MarkProved{w.current->id}, "a handshake shows it");
    case Proof::contradicted:
      // TLS that somebody switched off is a matter of settings, not of files.
      if (!w.seen.server.ssl_on()) return std::nullopt;
      return contradicted(w, stage);
    case Proof::unknown:
      if (!open) return std::nullopt;
      if (!w.seen.server.ssl_on()) return std::nullopt;
      if ((attempt == nullptr || attempt->reloads == 0) && w.may_reload()) return act(stage, action::Reload{w.current->id}, "the server is told to read its files");
      return rest(stage, "nothing could be probed; the proof waits");
  }
  return std::nullopt;
}

std::string current_path(const Walk& w, FileRole role) { return fmt::format("{}/current/{}", w.seen.generations.directory, file_name(role)); }

std::optional<Decision> wait_for_settings(const Walk& w, Stage stage) {
  const auto& changed = w.seen.memory.settings_changed_at;
  if (!changed || *changed > w.now) return std::nullopt;
  const Duration since = w.now - *changed;
  if (since < 2s) return soon(stage, "waiting for the changed settings to come into force", w.now + look_again);
  if (since < backoff(w.seen.memory.settings_tries, w.desired.check_interval)) return rest(stage, "the changed settings did not come into force; they are tried again later");
  return std::nullopt;
}

// The server's settings do not lead to `current` yet, or TLS is off.
std::optional<Decision> settings(const Walk& w) {
  if (w.current == nullptr || !w.current->complete || w.current_refused()) return std::nullopt;
  const PostgresSeen& server = w.seen.server;
  const Stage stage = w.current_proved() ? Stage::proved : Stage::published;
  const bool switch_on = !server.ssl_on() && w.desired.cluster.enable_ssl;
  if (w.seen.live.ours && !switch_on) return std::nullopt;
  if (!server.reachable()) return rest(stage, "the server's settings are changed when it can be reached");
  // With TLS on, only a copy of what is live may be moved under: every half-way mix of paths then matches.
  const bool copy_of_live = !w.seen.live.chain.empty() && !w.current->chain.empty() && w.seen.live.chain.front().fingerprint_sha256 == w.current->chain.front().fingerprint_sha256;
  if (!w.seen.live.ours && server.ssl_on() && w.seen.live.judgement.loads && !copy_of_live) return std::nullopt;
  if (w.paused()) return rest(stage, "rotation is paused; settings stay as they are");
  if (!w.may_reload()) return rest(stage, "settings cannot be changed: a reload may not be asked for");
  if (auto wait = wait_for_settings(w, stage)) return wait;
  if (w.guarded()) return rest(stage, "a reload would also apply what somebody is editing; it is awaited");
  SettingsChange change;
  if (!w.seen.live.ours) {
    change.values["ssl_cert_file"] = current_path(w, FileRole::certificate);
    change.values["ssl_key_file"] = current_path(w, FileRole::key);
  }
  // The adapter sets paths before it switches TLS on, so that no half of this change can be in force by itself.
  if (switch_on) change.values["ssl"] = "on";
  const std::string why = w.seen.live.ours ? "TLS is off" : "the server's settings do not name pgcertd's files yet";
  return act(stage, action::ChangeSettings{std::move(change), why}, why);
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
  const GenerationSeen* target = pair_to_put_back(w.seen, w.now);
  if (target == nullptr) return std::nullopt;
  const std::string why = asked ? "an operator wants the pair that was proved before" : "the current generation is spoiled and a new one cannot be had at once";
  return act(Stage::nothing, action::PutBack{target->id, why}, why);
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
    if (const auto* refused = std::get_if<Refused>(&answered)) return act(Stage::requested, action::DropPending{spki, refused->why.text()}, "the issuer refused it");
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

// Beyond current, the last proved one and the way back, the newest generations of three key pairs are kept.
std::optional<Decision> collect(const Walk& w) {
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
constexpr std::array<Rule, 14> rules{look_first, repair_files, foreign_change, undo_refused, prove, ask_first, settings,
                                     put_back,   collect,      hold_back,      publish,      adopt, requests,  request_new};

Decision decide(const Walk& walk) {
  for (const Rule rule : rules)
    if (auto decision = rule(walk)) return std::move(*decision);
  return rest(walk.current_proved() ? Stage::proved : Stage::nothing, "nothing is wanted");
}

TimePoint next_look(const Walk& w) {
  TimePoint at = w.now + w.desired.check_interval;
  for (const auto& moment : {w.need.renew_at, w.seen.memory.retry_at, w.seen.memory.pause ? std::optional{w.seen.memory.pause->until} : std::nullopt})
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
  return desired.cluster.on_foreign_change == ForeignChangePolicy::replace || seen.memory.takeover_granted_at;
}

bool holds_foreign_pair(const Desired& desired, const Observation& seen, TimePoint now) {
  const GenerationSeen* current = seen.generations.live();
  if (current == nullptr || !current->changed || current->chain.empty() || !seen.current || !seen.live.ours || may_replace(desired, seen)) return false;
  return seen.current->loads && seen.current->key_matches && now < current->chain.front().not_after;
}

const GenerationSeen* pair_to_put_back(const Observation& seen, TimePoint now) {
  const auto& proved = seen.memory.proved;
  for (auto it = proved.rbegin(); it != proved.rend(); ++it) {
    const GenerationSeen* g = seen.generations.find(it->generation);
    if (g == nullptr || !g->complete || g->id == seen.generations.current || g->chain.empty()) continue;
    const CertFacts& leaf = g->chain.front();
    if (leaf.not_after > now && !seen.memory.is_refused(leaf.fingerprint_sha256)) return g;
  }
  return nullptr;
}

Duration backoff(std::uint32_t failures, Duration check_interval) {
  Duration delay = std::max<Duration>(check_interval, 1s);
  for (std::uint32_t i = 1; i < failures && delay < 1h; ++i) delay *= 2;
  return std::min<Duration>(delay, 1h);
}

}  // namespace pgcertd
