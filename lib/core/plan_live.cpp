// Rules of the walk that protect the live set: files, the proof of what is served, the way back, the server's settings.
#include <fmt/format.h>

#include <algorithm>

#include "core/permissions.hpp"
#include "core/walk.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;

// After a reload PostgreSQL takes up to 90 ms to serve the new files (measured); looking again is cheap.
constexpr Duration look_again = 25ms;
constexpr Duration look_at_least = 1s;
constexpr Duration second_reload_after = 500ms;
constexpr Duration foreign_change_settles = 3s;

// The newest proved generation that is whole and not the current one.
const GenerationSeen* rollback_target(const Walk& w) {
  const auto& proved = w.seen.memory.proved;
  for (auto it = proved.rbegin(); it != proved.rend(); ++it) {
    const GenerationSeen* g = w.seen.generations.find(it->generation);
    if (g != nullptr && g->complete && g != w.current) return g;
  }
  return nullptr;
}

Decision roll_back(const Walk& w, const std::string& why) {
  const GenerationSeen* target = rollback_target(w);
  if (target == nullptr && !(w.seen.memory.original_auto_conf && !w.seen.memory.original_ssl_on))
    return rest(Stage::published, why + "; there is nothing proved to go back to");
  return act(Stage::published, action::RollBack{w.current->id, target ? target->id : std::string{}, why}, why);
}

// Certificate and key are written one after the other: until then half of a change is not taken for the whole. A time that
// lies ahead says nothing.
std::optional<TimePoint> settles_after(std::vector<TimePoint> writes, TimePoint now) {
  std::erase_if(writes, [now](TimePoint written) { return written > now; });
  return writes.empty() ? std::nullopt : std::optional{std::ranges::max(writes) + foreign_change_settles};
}

std::optional<TimePoint> generation_settles_at(const Walk& w) {
  if (w.current == nullptr || !w.current->changed || !w.current_proved() || may_replace(w.desired, w.seen)) return std::nullopt;
  std::vector<TimePoint> writes;
  for (const FileSeen& file : w.current->files) writes.push_back(file.modified);
  return settles_after(std::move(writes), w.now);
}

// The same for what somebody put in place of our links.
std::optional<TimePoint> links_settle_at(const Walk& w) {
  if (!w.in_place() || !w.seen.memory.linked_at) return std::nullopt;
  std::vector<TimePoint> writes;
  for (const InPlacePath* path : {&w.seen.in_place->certificate, &w.seen.in_place->key})
    if (!path->linked() && path->modified > *w.seen.memory.linked_at) writes.push_back(path->modified);
  return settles_after(std::move(writes), w.now);
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
  const bool last_resort = (w.current->origin == Origin::rolled_back && !w.seen.memory.rollback_asked_at) || w.current->origin == Origin::refreshed;
  if (w.current_proved() || last_resort) {   // nothing better to go back to
    const Duration wait = attempt->reloads < 2 ? second_reload_after : backoff(attempt->reloads, w.desired.check_interval);
    if (clock_went_back || since_last >= wait) return act(stage, action::Reload{w.current->id}, "the server serves another certificate than the current one");
    if (since_last < second_reload_after) return soon(stage, "waiting for the server to take the current certificate", next_proof(w.now, since_last));
    return rest(stage, "the server serves another certificate than the current one");
  }
  if (clock_went_back || (attempt->reloads < 2 && since_last >= second_reload_after))
    return act(stage, action::Reload{w.current->id}, "the server still does not serve the current generation");
  if (w.seen.clock_doubt) return rest(stage, "the wall clock jumped; how long the proof has been missing is not known");
  if (since_first >= roll_back_after) return roll_back(w, fmt::format("no handshake showed it within {} and {} reloads", to_text(roll_back_after), attempt->reloads));
  return soon(stage, "waiting for a handshake that shows the new certificate", next_proof(w.now, since_last));
}

std::string current_path(const Walk& w, FileRole role) { return fmt::format("{}/current/{}", w.seen.generations.directory, file_name(role)); }

// Both paths lead to the same pair at each moment: what is live was copied, is ours already, or does not work anyway.
std::optional<Decision> link_first(const Walk& w, Stage stage) {
  if (!w.in_place()) return std::nullopt;
  for (const auto& [role, path] : {std::pair{FileRole::certificate, &w.seen.in_place->certificate}, std::pair{FileRole::key, &w.seen.in_place->key}})
    if (!path->linked()) return act(stage, action::LinkLive{role, path->path}, "the server's paths stay, and lead to pgcertd's files");
  return std::nullopt;
}

// Where the settings are to point: to us, or, once links do that, to where they pointed before us.
SettingsChange paths_of(const Walk& w) {
  SettingsChange change;
  if (!w.in_place()) {
    change.values["ssl_cert_file"] = current_path(w, FileRole::certificate);
    change.values["ssl_key_file"] = current_path(w, FileRole::key);
  } else if (w.seen.live.ours && w.seen.memory.original_auto_conf) {
    for (const char* setting : {"ssl_cert_file", "ssl_key_file"})
      if (const auto found = w.seen.memory.original_auto_conf->find(setting); found != w.seen.memory.original_auto_conf->end()) change.values[setting] = found->second;
  }
  return change;
}

std::string why_moved(const Walk& w) {
  if (w.seen.live.ours) return w.in_place() ? "the server's former paths are links now" : "layout is \"managed\" again";
  const bool refused = w.desired.cluster.layout == Layout::in_place && w.seen.in_place && !w.seen.in_place->refused.empty();
  return "the server's settings do not name pgcertd's files yet" + (refused ? "; links in their place are not possible: " + w.seen.in_place->refused : std::string{});
}

std::optional<Decision> wait_for_settings(const Walk& w, Stage stage) {
  const auto& changed = w.seen.memory.settings_changed_at;
  if (!changed || *changed > w.now) return std::nullopt;
  const Duration since = w.now - *changed;
  if (since < 2s) return soon(stage, "waiting for the changed settings to come into force", w.now + look_again);
  if (since < backoff(w.seen.memory.settings_tries, w.desired.check_interval)) return rest(stage, "the changed settings did not come into force; they are tried again later");
  return std::nullopt;
}

}  // namespace

// Nothing of what somebody put in place of ours, and which works, is overwritten in silence.
std::optional<Decision> foreign_change(const Walk& w) {
  if (const auto settled = links_settle_at(w); settled && *settled > w.now) return soon(Stage::nothing, "somebody is writing the files that were links", *settled);
  if (const auto settled = generation_settles_at(w); settled && *settled > w.now) return soon(Stage::nothing, "somebody is writing the files of the current generation", *settled);
  if (!holds_foreign_pair(w.desired, w.seen, w.now)) return std::nullopt;
  return rest(Stage::nothing, "somebody replaced the files of the current generation; consent is awaited");
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
    const bool is_key = file.is(FileRole::key);
    const FileVerdict verdict = judge_file(is_key, server, file);
    if (verdict == FileVerdict::ok) continue;
    for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl})
      if (file.is(role))
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

// Has a canary something to say of the current generation's CRL that is not recorded yet?
bool canary_speaks(const Walk& w) {
  return trust_in_force(w.seen) && w.seen.memory.crl_proved != w.current->id && w.seen.canary != CanaryVerdict::unknown;
}

std::optional<Decision> prove(const Walk& w) {
  if (w.current == nullptr || w.current->chain.empty() || !w.seen.live.ours || w.current_refused()) return std::nullopt;
  const Stage stage = w.current_proved() ? Stage::proved : Stage::published;
  const bool open = !w.current_proved() || w.attempt() != nullptr || (canary_speaks(w) && w.seen.canary != CanaryVerdict::locked_out);
  const PublishAttempt* attempt = w.attempt();
  // A handshake that shows what somebody put there proves nothing of what was issued.
  if (!w.current_proved() && w.current->changed && (w.seen.server.reachable() || rollback_target(w) != nullptr))
    return roll_back(w, "somebody changed its files before it was proved");
  if (!w.seen.server.reachable() && open) return rest(stage, "the proof waits until the server can be reached");
  switch (proof_of(w.seen.probes, w.current->chain.front().fingerprint_sha256)) {
    case Proof::shown:
      if (!open) return std::nullopt;
      if (!w.current_proved() && (attempt == nullptr || attempt->reloads == 0) && w.may_reload())
        return act(stage, action::Reload{w.current->id}, "the server is told to read its files before the proof counts");
      if (canary_speaks(w) && w.seen.canary == CanaryVerdict::stale) return contradicted(w, stage);
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

// The server's settings do not lead to `current` yet, or TLS is off.
std::optional<Decision> settings(const Walk& w) {
  if (w.current == nullptr || !w.current->complete || w.current_refused()) return std::nullopt;
  const PostgresSeen& server = w.seen.server;
  const Stage stage = w.current_proved() ? Stage::proved : Stage::published;
  const bool switch_on = !server.ssl_on() && w.desired.cluster.enable_ssl;
  const bool placed = w.seen.live.ours && w.seen.live.linked == w.in_place();
  if (placed && !switch_on) return std::nullopt;
  if (w.desired.cluster.layout == Layout::in_place && !w.seen.in_place) return rest(stage, "the paths that are to become links cannot be looked at");
  if (!server.reachable()) return rest(stage, "the server's settings are changed when it can be reached");
  // With TLS on, only a copy of what is live may be moved under: every half-way mix of paths then matches.
  const bool copy_of_live = w.seen.live.ours || (!w.seen.live.chain.empty() && !w.current->chain.empty() && w.seen.live.chain.front().fingerprint_sha256 == w.current->chain.front().fingerprint_sha256);
  if (!w.seen.live.ours && server.ssl_on() && w.seen.live.judgement.loads && !copy_of_live) return std::nullopt;
  if (w.paused()) return rest(stage, "rotation is paused; settings stay as they are");
  if (!w.may_reload()) return rest(stage, "settings cannot be changed: a reload may not be asked for");
  if (auto wait = wait_for_settings(w, stage)) return wait;
  if (w.guarded()) return rest(stage, "a reload would also apply what somebody is editing; it is awaited");
  if (auto link = link_first(w, stage)) return link;
  SettingsChange change = placed ? SettingsChange{} : paths_of(w);
  // The adapter sets paths before it switches TLS on, so that no half of this change can be in force by itself.
  if (switch_on) change.values["ssl"] = "on";
  if (change.values.empty()) return std::nullopt;
  const std::string why = placed ? "TLS is off" : why_moved(w);
  return act(stage, action::ChangeSettings{std::move(change), why}, why);
}

// ssl_ca_file and ssl_crl_file, once the current generation has both and is served.
std::optional<Decision> trust_settings(const Walk& w) {
  if (w.current == nullptr || !w.current->complete || !w.current_proved() || !w.seen.live.ours || trust_in_force(w.seen)) return std::nullopt;
  const TrustWish wish = trust_wish(w.desired, w.seen);
  if (!wish.wanted || w.current->roots.empty() || w.current->crls.empty() || trust_step(w.desired, w.seen).wanted || w.seen.trust_set.crls.empty()) return std::nullopt;
  if (!w.seen.server.reachable() || w.paused() || !w.may_reload()) return std::nullopt;
  if (auto wait = wait_for_settings(w, Stage::proved)) return wait;
  if (w.guarded()) return rest(Stage::proved, "a reload would also apply what somebody is editing; it is awaited");
  SettingsChange change;
  change.values["ssl_ca_file"] = current_path(w, FileRole::root);
  change.values["ssl_crl_file"] = current_path(w, FileRole::crl);
  return act(Stage::proved, action::ChangeSettings{std::move(change), wish.why}, "clients' certificates are to be judged: " + wish.why);
}

// A pair of somebody else that only a restart brings into force. One that pgcertd may replace needs none.
std::optional<Decision> restart(const Walk& w) {
  const auto& attempt = w.seen.memory.restart;
  if (attempt && w.seen.server.reachable() && !w.seen.live.chain.empty() && !restart_cures(w.seen)) {
    const bool shown = proof_of(w.seen.probes, attempt->fingerprint_sha256) == Proof::shown;
    return act(Stage::nothing, action::NoteRestart{shown && w.seen.server.postmaster_start != attempt->postmaster_start},
               shown ? "a handshake shows what the restart was for" : "the restart is not wanted any more");
  }
  const auto verdict = judge_restart(w.desired, w.seen, w.now);
  if (!verdict || !verdict->now || !needs_takeover(w.desired, w.seen)) return std::nullopt;
  return act(Stage::nothing, action::Restart{w.seen.live.chain.front().fingerprint_sha256, w.seen.restart->method}, "the key needs a passphrase, which PostgreSQL takes only at its start");
}

}  // namespace pgcertd
