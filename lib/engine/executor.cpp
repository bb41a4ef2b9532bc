#include "engine/executor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/file_judge.hpp"
#include "engine/file_audit.hpp"
#include "engine/preflight.hpp"
#include "engine/step.hpp"
#include "engine/trust_steps.hpp"
#include "x509/certificate.hpp"
#include "x509/known_certificates.hpp"
#include "x509/private_key.hpp"
#include "x509/signed_request.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t proofs_remembered = 8;
constexpr std::size_t refusals_remembered = 16;

Result<void> run(Step& s, const action::Refresh&) { return refresh(s); }

void note_failure(Step& s, std::string_view stage, const std::string& message, const std::string& remedy, bool rolled_back) {
  ClusterMemory& m = s.memory;
  ++m.consecutive_failures;
  ++m.stage_failures[std::string{stage}];
  ++(rolled_back ? m.rotations_rolled_back : m.rotations_failed);
  m.last_failure = Failure{std::string{stage}, printable(message), remedy, rolled_back, s.now};
  m.retry_at = s.now + backoff(m.consecutive_failures, s.desired.check_interval);
  s.say(rolled_back ? "rolled-back" : "rotation-failed", fmt::format("stage {}: {}", stage, printable(message)), {{"stage", std::string{stage}}});
}

void refuse(Step& s, const std::string& generation, const std::string& reason) {
  auto& refused = s.memory.refused;
  refused.push_back({generation, printable(reason), s.now});
  if (refused.size() > refusals_remembered) refused.erase(refused.begin());
}

void begin_publish(Step& s, const std::string& generation) {
  s.memory.publish = PublishAttempt{generation, s.seen.generations.current, s.now, 0, std::nullopt, std::nullopt};
}

std::map<std::string, std::string> leaf_fields(const std::string& generation, const CertFacts* leaf) {
  std::map<std::string, std::string> fields{{"generation", generation}};
  if (leaf != nullptr) {
    fields["serial"] = leaf->serial;
    fields["fingerprint_sha256"] = leaf->fingerprint_sha256;
    fields["not_after"] = to_rfc3339(leaf->not_after);
  }
  return fields;
}

const CertFacts* leaf_of(const Step& s, const std::string& generation) {
  const GenerationSeen* g = s.seen.generations.find(generation);
  return g != nullptr && !g->chain.empty() ? &g->chain.front() : nullptr;
}

Result<void> run(Step& s, const action::MakeRequest& a) {
  s.memory.last_attempt_at = s.now;
  auto made = s.ports.keys.make(a.key_type, a.names);
  if (!made) return note_failure(s, "keygen", made.error().text(), made.error().remedy, false), fail(made.error());
  const PendingSeen pending{s.desired.cluster.name, made->spki_sha256, made->request_pem, s.now, a.key_type, a.names};
  if (auto put = s.ports.pending.put(pending, made->key_pem); !put)
    return note_failure(s, "request", put.error().text(), put.error().remedy, false), fail(put.error());
  if (s.memory.names_at_first_issue == Names{}) s.memory.names_at_first_issue = a.names;
  s.say("request-made", fmt::format("a new {} key waits for its certificate", to_string(a.key_type)), {{"spki_sha256", made->spki_sha256}});
  return {};
}

// The files may have changed since they were judged.
Result<GenerationContent> read_live_pair(Step& s) {
  PGCERTD_TRY(GenerationContent pair, s.ports.live.read_pair(s.seen.live.cert_path, s.seen.live.key_path));
  PGCERTD_TRY(const auto chain, x509::known_certificates(pair.chain_pem, s.seen.live.cert_path));
  PGCERTD_TRY(const auto key, x509::PrivateKey::parse(pair.key_pem.view(), s.seen.live.key_path));
  if (!x509::key_matches(key, chain.front()))
    return fail(Errc::refused, fmt::format("private key \"{}\" does not belong to certificate \"{}\"", printable(s.seen.live.key_path), printable(s.seen.live.cert_path)));
  return pair;
}

// What shows an offline root that a renewal comes from the host that has the certificate. Without it, as at the first enrolment or
// where the key in use cannot be read, people compare the key's fingerprint.
std::string proof_for(Step& s, const std::string& request_pem) {
  const bool has_one = s.seen.live.ours && s.seen.current && s.seen.current->key_matches && s.seen.current->chain_ok;
  if (s.desired.issuer_type != IssuerType::offline || !has_one) return {};
  const auto pair = read_live_pair(s);
  const auto chain = pair ? x509::known_certificates(pair->chain_pem, "server.crt") : fail(pair.error());
  const auto key = pair ? x509::PrivateKey::parse(pair->key_pem.view(), "server.key") : fail(pair.error());
  if (!chain || !key) return {};
  return x509::sign_request(request_pem, *chain, *key).value_or("");
}

Result<void> run(Step& s, const action::Submit& a) {
  const auto pending = std::find_if(s.seen.pending.begin(), s.seen.pending.end(), [&](const PendingSeen& p) { return p.spki_sha256 == a.spki_sha256; });
  if (pending == s.seen.pending.end()) return fail(Errc::not_found, "the request is gone");
  const LeafRequest request{s.desired.cluster.name, a.spki_sha256, pending->request_pem, pending->names, s.desired.cluster.lifetime, a.outlive, {}, {}, proof_for(s, pending->request_pem)};
  const IssuerAnswer answer = s.ports.issuer.submit(request, s.now);
  if (const auto* refused = std::get_if<Refused>(&answer)) {
    note_failure(s, "sign", refused->why.text(), refused->why.remedy, false);
    if (is_final(*refused)) (void)s.ports.pending.remove(a.spki_sha256);   // else left for the next try
    return fail(refused->why);
  }
  if (std::holds_alternative<Issued>(answer)) s.say("certificate-issued", "the issuer signed the request", {{"spki_sha256", a.spki_sha256}});
  return {};
}

Result<void> run(Step& s, const action::DropPending& a) {
  PGCERTD_CHECK(s.ports.pending.remove(a.spki_sha256));
  for (const auto& [spki, answer] : s.seen.answers)
    if (spki == a.spki_sha256 && std::holds_alternative<Refused>(answer))
      note_failure(s, "sign", std::get<Refused>(answer).why.text(), std::get<Refused>(answer).why.remedy, false);
  s.say("request-dropped", printable(a.reason), {{"spki_sha256", a.spki_sha256}});
  return {};
}

const Issued* issued_answer(const Step& s, const std::string& spki) {
  for (const auto& [key, answer] : s.seen.answers)
    if (key == spki) return std::get_if<Issued>(&answer);
  return nullptr;
}

Result<void> stage_issued(Step& s, const std::string& spki) {
  const Issued* issued = issued_answer(s, spki);
  if (issued == nullptr) return fail(Errc::not_found, "the issuer's answer is gone");
  PGCERTD_TRY(const auto chain, x509::known_certificates(issued->chain_pem, "the issued certificate"));
  if (chain.front().facts().spki_sha256 != spki) return fail(Errc::refused, "the issued certificate is for another key");
  PGCERTD_TRY(Secret key, s.ports.pending.key(spki));
  PGCERTD_TRY(const std::string id, stage(s, {issued->chain_pem, std::move(key), issued->root_pem, issued->crl_pem, Origin::issued}));
  (void)id;
  return within(s.ports.pending.remove(spki), "removing the request");   // a crash before it leaves a request that the plan drops
}

Result<void> run(Step& s, const action::Stage& a) {
  auto staged = stage_issued(s, a.spki_sha256);
  if (!staged) note_failure(s, "stage", staged.error().text(), staged.error().remedy, false);
  return staged;
}

Result<void> run(Step& s, const action::Adopt&) {
  auto pair = read_live_pair(s);
  if (!pair) return note_failure(s, "stage", pair.error().text(), pair.error().remedy, false), fail(pair.error());
  pair->origin = Origin::adopted;
  auto id = stage(s, std::move(*pair));
  if (!id) return note_failure(s, "stage", id.error().text(), id.error().remedy, false), fail(id.error());
  return {};
}

Result<void> run(Step& s, const action::Refuse& a) {
  refuse(s, a.generation, a.reason);
  const GenerationSeen* refused = s.seen.generations.find(a.generation);
  if (refused != nullptr && refused->origin == Origin::rolled_back) {
    refuse(s, a.fingerprint, a.reason);   // else the same pair would be put back again
    s.memory.rollback_asked_at.reset();
  }
  s.say("preflight-refused", fmt::format("generation {} was not published: {}", a.generation, printable(a.reason)), {{"generation", a.generation}});
  if (refused != nullptr && refused->origin == Origin::refreshed) {
    note_trust_trouble(s, a.reason, fmt::format("pgcertctl inspect {}/current/{}", s.seen.generations.directory, file_name(FileRole::crl)));
    return s.ports.generations.remove(a.generation);
  }
  note_failure(s, "stage", a.reason, fmt::format("pgcertctl rotate {} --dry-run", s.desired.cluster.name), false);
  return s.ports.generations.remove(a.generation);
}

// Where a rename leads back to: the current generation, or, where somebody spoiled that, the newest proved one that is whole.
std::string way_back(const Step& s) {
  const auto whole = [&](const std::string& id) {
    const GenerationSeen* generation = s.seen.generations.find(id);
    return generation != nullptr && generation->complete;
  };
  if (whole(s.seen.generations.current)) return s.seen.generations.current;
  const auto& proved = s.memory.proved;
  const auto found = std::find_if(proved.rbegin(), proved.rend(), [&](const Proved& p) { return whole(p.generation); });
  return found == proved.rend() ? "" : found->generation;
}

Result<void> publish(Step& s, const std::string& id) {
  if (const std::string back = way_back(s); !back.empty()) PGCERTD_CHECK(s.ports.generations.prepare_way_back(back));
  return s.ports.generations.publish(id);
}

Result<void> run(Step& s, const action::Publish& a) {
  const ClusterMemory before = s.memory;
  begin_publish(s, a.generation);
  Result<void> done = s.make_durable();
  if (done) done = publish(s, a.generation);
  if (!done) {
    s.memory = before;
    note_failure(s, "install", done.error().text(), done.error().remedy, false);
    return done;
  }
  s.say("generation-published", fmt::format("`current` is generation {}", a.generation), leaf_fields(a.generation, leaf_of(s, a.generation)));
  return {};
}

// Each setting as it was before the first change of it.
void remember_originals(Step& s) {
  const bool first = !s.memory.original_auto_conf;
  auto& originals = first ? s.memory.original_auto_conf.emplace() : *s.memory.original_auto_conf;
  for (const char* setting : {"ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file"}) {
    if (originals.contains(setting)) continue;
    const auto found = s.seen.server.auto_conf.find(setting);
    originals[setting] = found == s.seen.server.auto_conf.end() ? std::nullopt : std::optional{found->second};
  }
  if (!first) return;
  s.memory.original_ssl_on = s.seen.server.ssl_on();
  for (const char* setting : {"ssl_cert_file", "ssl_key_file"}) s.memory.original_files[setting] = s.seen.server.file_setting(setting);
}

Result<void> change_and_reload(Step& s, const SettingsChange& change) {
  PGCERTD_CHECK(s.ports.postgres.change_settings(change));
  return s.ports.postgres.reload();
}

// `auto` asks by SQL where the role may, else by a signal.
std::string_view reload_method(const Step& s) {
  switch (s.desired.cluster.reload.kind) {
    case ReloadMethod::Kind::sql: return "sql";
    case ReloadMethod::Kind::signal: return "signal";
    case ReloadMethod::Kind::systemd: return "systemd";
    case ReloadMethod::Kind::automatic: break;
  }
  return s.seen.server.privileges.reload ? "sql" : "signal";
}

void count_reload(Step& s, std::string_view result) { ++s.memory.reloads[fmt::format("{} {}", reload_method(s), result)]; }

void count_reload(PublishAttempt& attempt, TimePoint now) {
  ++attempt.reloads;
  attempt.last_reload_at = now;
  if (!attempt.first_reload_at || *attempt.first_reload_at > now) attempt.first_reload_at = now;
}

Result<void> run(Step& s, const action::ChangeSettings& a) {
  remember_originals(s);
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file"})
    if (a.change.values.contains(setting)) s.memory.original_files.emplace(setting, s.seen.server.file_setting(setting));
  auto done = s.make_durable();
  if (done) done = change_and_reload(s, a.change);
  // Noted afterwards only: a crash in between makes the next tick simply change them again.
  if (done) {
    s.memory.settings_changed_at = s.now;
    ++s.memory.settings_tries;
    if (s.memory.publish && s.memory.publish->generation == s.seen.generations.current) count_reload(*s.memory.publish, s.now);
  }
  if (!done) {
    note_failure(s, "install", done.error().text(), done.error().remedy, false);
    return done;
  }
  s.say("settings-changed", describe(Action{a}));
  return {};
}

Result<void> run(Step& s, const action::LinkLive& a) {
  const ClusterMemory before = s.memory;
  if (!s.memory.linked_at) s.memory.linked_at = s.now;
  auto done = s.make_durable();
  if (done) done = s.ports.in_place.link(a.path, a.role, s.seen.server);
  if (!done) {
    s.memory = before;
    note_failure(s, "install", done.error().text(), done.error().remedy, false);
    return done;
  }
  s.say("path-linked", fmt::format("{} is a link to the current {} now; what stood there is kept as {}.pgcertd-saved", printable(a.path), file_name(a.role), printable(a.path)), {{"path", a.path}});
  return {};
}

Result<void> run(Step& s, const action::Reload& a) {
  auto& attempt = s.memory.publish;
  if (!attempt || attempt->generation != a.generation) attempt = PublishAttempt{a.generation, a.generation, s.now, 0, std::nullopt, std::nullopt};
  auto done = s.ports.postgres.reload();
  // Counted whether or not it could be asked for: what the handshakes show decides what follows.
  count_reload(*attempt, s.now);
  if (!done) {
    count_reload(s, "error");
    s.memory.last_failure = Failure{"reload", printable(done.error().text()), done.error().remedy, false, s.now};
    ++s.memory.stage_failures["reload"];
    return done;
  }
  s.say("reload-asked", fmt::format("PostgreSQL was told to read its files ({})", attempt->reloads), {{"generation", a.generation}});
  return {};
}

void remember_proof(Step& s, const std::string& generation, const CertFacts& leaf) {
  auto& proved = s.memory.proved;
  std::erase_if(proved, [&](const Proved& p) { return p.generation == generation; });
  // A new CRL each day must not push the proofs of earlier pairs out.
  const auto same_pair = std::count_if(proved.begin(), proved.end(), [&](const Proved& p) { return p.fingerprint_sha256 == leaf.fingerprint_sha256; });
  if (same_pair > 1) proved.erase(std::find_if(proved.begin(), proved.end(), [&](const Proved& p) { return p.fingerprint_sha256 == leaf.fingerprint_sha256; }));
  proved.push_back({generation, leaf.fingerprint_sha256, s.now});
  if (proved.size() > proofs_remembered) proved.erase(proved.begin());
}

void rotation_succeeded(Step& s) {
  ClusterMemory& m = s.memory;
  m.last_failure.reset();
  m.consecutive_failures = 0;
  m.retry_at.reset();
  m.rotate_asked_at.reset();
  m.takeover.reset();
  ++m.rotations_proved;
  m.last_success_at = s.now;
  if (m.last_attempt_at && *m.last_attempt_at <= s.now) m.count_rotation(s.now - *m.last_attempt_at);
}

// The way to what a handshake shows now was found in the end. That a new leaf was refused or not signed stands until there is one.
void forget_failure_on_the_way(Step& s, Origin proved) {
  ClusterMemory& m = s.memory;
  if (!m.last_failure || m.last_failure->rolled_back) return;
  const std::string& stage = m.last_failure->stage;
  if (stage != "reload" && stage != "install" && !(stage == "stage" && proved == Origin::rolled_back)) return;
  m.last_failure.reset();
  m.consecutive_failures = 0;
  m.retry_at.reset();
}

// What an operator went back from must not be put in place again by the next renewal: rotation rests until `resume`.
void hold(Step& s) {
  s.memory.rollback_asked_at.reset();
  s.memory.rotate_asked_at.reset();
  if (!s.memory.pause) s.memory.pause = Pause{no_expiry, "an operator rolled back"};
}

std::string_view proof_kind(Origin origin) {
  switch (origin) {
    case Origin::issued: return "rotation-proved";
    case Origin::adopted: return "adoption-proved";
    case Origin::rolled_back: return "rollback-proved";
    case Origin::refreshed: break;
  }
  return "rotation-proved";
}

std::string size_notice(const GenerationSeen& generation) {
  std::uint64_t entries = 0;
  for (const CrlFacts& crl : generation.crls) entries += crl.revoked;
  const std::string notice = crl_size_notice(entries);
  return notice.empty() ? notice : "; it has " + notice;
}

Result<void> run(Step& s, const action::MarkProved& a) {
  const GenerationSeen* generation = s.seen.generations.find(a.generation);
  if (generation == nullptr || generation->chain.empty() || s.seen.generations.current != a.generation)
    return fail(Errc::not_found, fmt::format("generation {} is not current any more", a.generation));
  const bool again = s.memory.is_proved(a.generation);
  const bool crl_shown = s.seen.canary == CanaryVerdict::loaded && s.memory.crl_proved != a.generation;
  if (crl_shown) s.memory.crl_proved = a.generation;
  remember_proof(s, a.generation, generation->chain.front());
  s.memory.publish.reset();
  s.memory.settings_changed_at.reset();
  s.memory.settings_tries = 0;
  count_reload(s, "applied");
  forget_failure_on_the_way(s, generation->origin);
  if (generation->origin == Origin::refreshed && !again) s.memory.trust_trouble.reset();
  if (crl_shown) s.say("crl-proved", fmt::format("a handshake shows that CRL {} is in force{}", crl_numbers(*generation), size_notice(*generation)), {{"generation", a.generation}, {"crl_number", crl_numbers(*generation)}});
  if (crl_shown && (again || generation->origin == Origin::refreshed)) return {};
  if (again) {
    s.say("served-again", "the server serves the current generation again", leaf_fields(a.generation, &generation->chain.front()));
    return {};
  }
  if (generation->origin == Origin::issued) rotation_succeeded(s);
  if (generation->origin == Origin::rolled_back && s.memory.rollback_asked_at) hold(s);
  if (generation->origin == Origin::refreshed) {
    s.say("crl-installed", fmt::format("the server was told to load CRL {}{}", crl_numbers(*generation), size_notice(*generation)), {{"generation", a.generation}, {"crl_number", crl_numbers(*generation)}});
    return {};
  }
  s.say(std::string{proof_kind(generation->origin)}, fmt::format("a handshake shows serial {}", generation->chain.front().serial), leaf_fields(a.generation, &generation->chain.front()));
  return {};
}

Result<void> back_to_settings(Step& s) {
  if (!s.memory.original_auto_conf) return fail(Errc::invalid, "the former ssl settings are not known");
  s.memory.publish.reset();
  s.memory.settings_changed_at.reset();
  s.memory.settings_tries = 0;   // they are what they are meant to be
  return change_and_reload(s, SettingsChange{*s.memory.original_auto_conf});
}

// A new generation of the proved pair with the newest CRL: a rollback never un-revokes.
Result<std::string> stage_again(Step& s, const std::string& from) {
  PGCERTD_TRY(GenerationContent content, s.ports.generations.load(from));
  content.origin = Origin::rolled_back;
  if (const auto current = s.ports.generations.load(s.seen.generations.current); current && !current->crl_pem.empty()) content.crl_pem = current->crl_pem;
  return stage(s, std::move(content));
}

Result<void> back_to_pair(Step& s, const std::string& to) {
  PGCERTD_TRY(const std::string id, stage_again(s, to));
  begin_publish(s, id);
  return s.ports.generations.publish(id);
}

Result<void> run(Step& s, const action::RollBack& a) {
  s.memory.rollback_asked_at.reset();
  if (!s.memory.is_refused(a.generation)) {
    refuse(s, a.generation, a.reason);
    count_reload(s, "not_applied");
    note_failure(s, "verify", a.reason, "look for \"SSL configuration was not reloaded\" in the server's log", true);
  }
  // The intent to publish included this right: a full disk must not stop the way back.
  (void)s.make_durable();
  if (a.to.empty()) return back_to_settings(s);
  auto done = back_to_pair(s, a.to);
  if (!done && s.seen.generations.way_back == a.to) {
    begin_publish(s, a.to);
    done = s.ports.generations.publish_way_back();
  }
  return done;
}

Result<void> run(Step& s, const action::PutBack& a) {
  auto staged = stage_again(s, a.from);
  if (staged) return {};
  note_failure(s, "stage", staged.error().text(), staged.error().remedy, false);
  return fail(staged.error());
}

const FileSeen* file_of(const Step& s, const action::RepairFile& a) {
  const GenerationSeen* generation = s.seen.generations.find(a.generation);
  if (generation == nullptr) return nullptr;
  const auto found = std::find_if(generation->files.begin(), generation->files.end(), [&](const FileSeen& f) { return f.is(a.role); });
  return found == generation->files.end() ? nullptr : &*found;
}

std::string by_hand(const Step& s, FileRole role, const FileSeen& file) {
  const bool is_key = role == FileRole::key;
  const FileVerdict verdict = judge_file(is_key, s.server(), file);
  return fix_command(is_key, s.server(), s.seen.server.server_user, file, verdict) + ", or give pgcertd CAP_CHOWN and CAP_FOWNER, as its unit does";
}

Result<void> run(Step& s, const action::RepairFile& a) {
  const std::string name{file_name(a.role)};
  const FileSeen* before = file_of(s, a);
  auto repaired = s.ports.generations.repair(a.generation, a.role, s.server());
  if (!repaired) {
    Error error = std::move(repaired).error();
    if (before != nullptr) error.remedy = by_hand(s, a.role, *before);
    return fail(std::move(error));
  }
  const std::string found = before == nullptr ? "unknown" : fmt::format("{:04o} {}:{}", before->mode, before->uid, before->gid);
  std::erase_if(s.memory.repairs, [&](const Repair& r) { return r.at <= s.now - 24h || r.at > s.now; });
  s.memory.repairs.push_back({name, found, s.now});
  ++s.memory.repairs_ever[name];
  s.say("file-repaired", fmt::format("owner and mode of {} were put right; it was {}", name, found), {{"generation", a.generation}, {"file", name}, {"found", found}});
  return {};
}

// As it is now, not as it was when the plan was made: after this there is no way back.
Result<void> check_restart(Step& s) {
  Observation fresh = s.seen;
  fresh.restart = s.ports.postgres.restart_outlook(s.seen.live.key_path);
  fresh.restart->file_error = foreign_files_error(s.ports.live, s.seen.server);
  fresh.live_files = look_at_files(s.ports.live, s.seen.server, s.seen.live, s.seen.generations.directory);
  const auto verdict = judge_restart(s.desired, fresh, s.now);
  if (verdict && verdict->now) return {};
  return fail(Errc::refused, verdict ? verdict->why : "it is not wanted any more", restart_remedy(fresh));
}

// `command` as an operator would type it.
std::string restart_method(const std::string& command) { return command.starts_with("systemctl ") ? "systemd" : "pg_ctl"; }

void count_restart(Step& s, std::string_view result) {
  if (s.memory.restart) ++s.memory.restarts[fmt::format("{} {}", s.memory.restart->method, result)];
}

Result<void> run(Step& s, const action::Restart& a) {
  PGCERTD_CHECK(check_restart(s));
  const std::uint32_t tries = s.memory.restart && s.memory.restart->fingerprint_sha256 == a.fingerprint ? s.memory.restart->tries : 0;
  s.memory.restart = RestartAttempt{a.fingerprint, s.seen.server.postmaster_start, s.now, tries + 1, restart_method(a.method)};
  PGCERTD_CHECK(s.make_durable());
  const auto& pending = s.seen.restart->pending_settings;
  s.say("restart-asked", fmt::format("PostgreSQL is restarted by {}{}", printable(a.method), pending.empty() ? "" : fmt::format("; it brings into force {}, too", fmt::join(pending, ", "))),
        {{"method", a.method}});
  auto restarted = s.ports.postgres.restart();
  if (!restarted && restarted.error().code != Errc::cancelled) count_restart(s, "error");   // a stop of the daemon ends the wait alone
  return restarted;
}

Result<void> run(Step& s, const action::NoteRestart& a) {
  count_restart(s, a.applied ? "applied" : "not_applied");
  s.memory.restart.reset();
  if (a.applied) s.say("restart-proved", "a handshake shows the certificate that the restart was for");
  return {};
}

Result<void> run(Step& s, const action::Collect& a) {
  for (const std::string& id : a.generations) {
    PGCERTD_CHECK(s.ports.generations.remove(id));
    s.say("generation-collected", fmt::format("generation {} was wiped and removed", id), {{"generation", id}});
  }
  return {};
}

}  // namespace

Result<std::string> stage(Step& s, GenerationContent content) {
  PGCERTD_CHECK(add_trust(s, content));
  const std::uint64_t number = s.next_number();
  PGCERTD_TRY(std::string id, s.ports.generations.stage(content, number, s.server(), s.now));
  s.memory.generation_number = number;
  s.say("generation-staged", fmt::format("generation {} is complete on disk", id), {{"generation", id}, {"number", std::to_string(number)}, {"origin", std::string{to_string(content.origin)}}});
  return id;
}

Outcome Executor::run(const Action& action, const Desired& desired, const Observation& seen, ClusterMemory& memory, TimePoint now) {
  Step step{ports_, desired, seen, memory, now, {}};
  auto result = std::visit([&](const auto& a) { return pgcertd::engine::run(step, a); }, action);
  return {within(std::move(result), describe(action)), std::move(step.events)};
}

}  // namespace pgcertd::engine
