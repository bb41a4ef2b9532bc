#include "engine/observer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/file_audit.hpp"
#include "engine/leaf_judge.hpp"
#include "engine/preflight.hpp"
#include "x509/certificate.hpp"
#include "x509/known_certificates.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

using namespace std::chrono_literals;

// A judgement depends on the time only at the certificates' own dates, which need_of() compares itself.
constexpr Duration judgement_lasts = 60s;

Finding fault(ProblemCode code, const Error& error, const std::string& object) {
  Finding f = finding(code, printable(error.text()), error.remedy, object);
  if (error.code == Errc::permission && code != ProblemCode::state_unwritable) f.code = ProblemCode::privilege_missing;
  return f;
}

void blind(Observation& seen, const Error& error, const std::string& object) {
  seen.blind = true;
  seen.faults.push_back(fault(ProblemCode::state_unwritable, error, object));
}

void check_identity(PostgresSeen& now, const std::optional<PostgresSeen>& remembered) {
  if (!now.reachable() || !remembered || remembered->system_identifier.empty() || now.system_identifier.empty()) return;
  if (now.system_identifier == remembered->system_identifier) return;
  const std::string text = fmt::format("system identifier {} instead of {}", now.system_identifier, remembered->system_identifier);
  now = *remembered;
  now.fault = ServerFault::wrong_cluster;
  now.fault_text = text;
}

std::vector<CertFacts> facts_of(const std::vector<x509::Certificate>& certificates) {
  std::vector<CertFacts> out;
  for (const auto& certificate : certificates) out.push_back(certificate.facts());
  return out;
}

void judge_served_chain(ProbeSeen& probe, const std::string& root_pem, TimePoint now) {
  if (probe.chain_pem.empty() || root_pem.empty()) return;
  std::string pem;
  for (const std::string& one : probe.chain_pem) pem += one;
  const auto chain = x509::known_certificates(pem, probe.endpoint);
  const auto roots = x509::known_certificates(root_pem, "root.crt");
  if (!chain || !roots) return;
  const x509::ChainVerdict verdict = x509::verify_chain(*chain, *roots, x509::Purpose::server, now);
  probe.verify = verdict.ok ? "ok" : verdict.error;
}

CanaryVerdict verdict_of(ports::Presented::End good, ports::Presented::End revoked) {
  using End = ports::Presented::End;
  if (good == End::accepted && revoked == End::refused) return CanaryVerdict::loaded;
  if (good == End::accepted && revoked == End::accepted) return CanaryVerdict::stale;
  return good == End::refused && revoked == End::refused ? CanaryVerdict::locked_out : CanaryVerdict::unknown;
}

Anchors anchors_of(const IssuerSeen& issuer, const std::string& generation_root) {
  return {issuer.root_pem.empty() ? generation_root : issuer.root_pem, issuer.issuing_pem, issuer.crl_pem};
}

}  // namespace

Observation Observer::observe(const Desired& desired, const ClusterMemory& memory, TimePoint now) {
  Observation seen;
  seen.memory = memory;
  if (ports_.clock_doubt) seen.clock_doubt = ports_.clock_doubt(memory.saved_at);
  observe_state(seen, desired);
  observe_issuer(seen, desired, now);
  observe_server(seen, desired, now);
  observe_in_place(seen, desired);
  observe_live(seen, desired, now);
  if (ports_.held_by && seen.server.known) seen.held_by = ports_.held_by(seen.server, seen.live.ours);
  observe_current(seen, desired, now);
  observe_detail(seen);
  seen.trust_set = trust_.look(ports_, desired, seen, now);
  observe_candidates(seen, desired, now);
  observe_audited(seen);
  observe_canary(seen, desired);
  observe_restart(seen, desired, now);
  return seen;
}

// What could be seen before is told on, while nothing is decided from it.
void Observer::observe_state(Observation& seen, const Desired& desired) {
  if (auto generations = ports_.generations.observe()) generations_ = std::move(*generations);
  else blind(seen, generations.error(), "generations");
  seen.generations = generations_;
  std::erase_if(judged_, [&](const auto& one) { return seen.generations.find(one.first) == nullptr; });
  if (auto pending = ports_.pending.list(desired.cluster.name)) pending_ = std::move(*pending);
  else blind(seen, pending.error(), "pending");
  seen.pending = pending_;
}

void Observer::observe_server(Observation& seen, const Desired& desired, TimePoint now) {
  if (!server_) {
    server_ = ports_.postgres.observe(seen.memory.server ? &*seen.memory.server : nullptr);
    check_identity(*server_, seen.memory.server);
    probes_.reset();
  }
  seen.server = *server_;
  if (!probes_) {
    probes_.emplace();
    if (seen.server.known && seen.server.fault != ServerFault::wrong_cluster) {
      const bool named = !desired.cluster.endpoints.empty();
      const std::vector<std::string> own = named ? ports_.endpoints_of(seen.server, {}) : std::vector<std::string>{};
      for (const std::string& endpoint : ports_.endpoints_of(seen.server, desired.cluster.endpoints)) {
        judge_served_chain(probes_->emplace_back(ports_.probe.probe(endpoint, now)), seen.issuer.root_pem, now);
        probes_->back().own = !named || std::ranges::find(own, endpoint) != own.end();
      }
    }
  }
  seen.probes = *probes_;
}

// The settings' own paths; where those lead to us already, the ones of before.
void Observer::observe_in_place(Observation& seen, const Desired& desired) {
  if (!seen.server.known || (desired.cluster.layout != Layout::in_place && !seen.memory.linked_at)) return;
  const auto wanted = [&](const std::string& setting) {
    std::string now = seen.server.file_setting(setting);
    if (!now.starts_with(seen.generations.directory + "/current/")) return now;
    const auto before = seen.memory.original_files.find(setting);
    return before == seen.memory.original_files.end() ? now : before->second;
  };
  auto looked = ports_.in_place.observe(wanted("ssl_cert_file"), wanted("ssl_key_file"), seen.server);
  if (looked) seen.in_place = std::move(*looked);
  else seen.faults.push_back(fault(ProblemCode::file_missing, looked.error(), "ssl_cert_file"));
}

void Observer::observe_live(Observation& seen, const Desired& desired, TimePoint now) {
  if (!seen.server.known) return;
  const std::string current = seen.generations.directory + "/current/";
  const std::string cert_path = seen.server.file_setting("ssl_cert_file"), key_path = seen.server.file_setting("ssl_key_file");
  const std::string our_cert = current + std::string{file_name(FileRole::certificate)}, our_key = current + std::string{file_name(FileRole::key)};
  const bool by_settings = cert_path == our_cert && key_path == our_key;
  const bool linked = seen.in_place && seen.in_place->linked() && seen.in_place->certificate.path == cert_path && seen.in_place->key.path == key_path;
  const bool ours = by_settings || linked;
  if (!live_ || ours) {   // ours changes with each generation
    live_.emplace();
    live_->cert_path = cert_path;
    live_->key_path = key_path;
    live_->ours = ours;
    live_->linked = linked;
    auto read = ports_.live.read_certificate(ours ? our_cert : cert_path, ours ? our_key : key_path);
    auto chain = read ? x509::known_certificates(read->chain_pem, cert_path) : Result<std::vector<x509::Certificate>>(fail(read.error()));
    live_->readable = chain.has_value();
    if (chain) live_->chain = facts_of(*chain);
    else live_->why = printable(chain.error().text());
    if (read) live_->snakeoil = read->snakeoil;
    if (!ours && chain) {
      if (auto pair = ports_.live.read_pair(cert_path, key_path))
        live_->judgement = judge_leaf(pair->chain_pem, pair->key_pem, anchors_of(seen.issuer, {}), desired.names, now);
      else live_->why = printable(pair.error().text());
    }
  }
  seen.live = *live_;
}

void Observer::observe_detail(Observation& seen) {
  if (!seen.server.reachable()) return;
  if (!detail_) {
    auto read = ports_.postgres.detail(seen.memory.last_success_at);
    // The next look at the server says what is wrong with it.
    detail_ = read ? std::move(*read) : ServerDetail{};
    detail_->hba_modified = hba_modified(ports_.live, seen.server, *detail_);
  }
  seen.detail = detail_;
}

void Observer::observe_audited(Observation& seen) {
  if (!seen.server.known) return;
  const std::string crl_path = seen.server.file_setting("ssl_crl_file");
  if (!audited_ || audited_->cert_path != seen.live.cert_path || audited_->crl_path != crl_path || audited_->generation != seen.generations.current) {
    audited_.emplace(seen.live.cert_path, crl_path, seen.generations.current);
    audited_->tls_files = look_into_files(ports_.live, seen.server, seen.live);
    audited_->live_files = look_at_files(ports_.live, seen.server, seen.live, seen.generations.directory);
    audited_->revoked_sessions = revoked_sessions(ports_.live, seen);
    audited_->crl_set = crls_.look(ports_.live, seen.server);
  }
  seen.tls_files = audited_->tls_files;
  seen.live_files = audited_->live_files;
  seen.revoked_sessions = audited_->revoked_sessions;
  seen.crl_set = audited_->crl_set;
}

Observer::CanarySeen Observer::ask(const std::string& endpoint, const Canaries& canaries, const std::string& generation) {
  const ports::Presented good = ports_.probe.present(endpoint, canaries.good);
  const ports::Presented revoked = ports_.probe.present(endpoint, canaries.revoked);
  return {generation, verdict_of(good.end, revoked.end), good.text};
}

// Only until it is known of this generation: each refusal is a line in the server's log.
void Observer::observe_canary(Observation& seen, const Desired& desired) {
  if (!trust_wish(desired, seen).wanted) return;
  ports_.issuer.want_canaries();
  const GenerationSeen* current = seen.generations.live();
  const auto& canaries = seen.issuer.canaries;
  if (current == nullptr || !canaries || !trust_in_force(seen) || seen.memory.crl_proved == current->id) return;
  const bool stands_there = std::any_of(current->crls.begin(), current->crls.end(), [&](const CrlFacts& crl) { return crl.fingerprint_sha256 == canaries->crl_fingerprint; });
  const auto served = std::find_if(seen.probes.begin(), seen.probes.end(), [](const ProbeSeen& probe) { return probe.outcome == ProbeOutcome::served; });
  if (!stands_there || served == seen.probes.end()) return;
  if (!canary_ || canary_->generation != current->id) canary_ = ask(served->endpoint, *canaries, current->id);
  seen.canary = canary_->verdict;
  seen.canary_text = canary_->text;
}

void Observer::observe_restart(Observation& seen, const Desired& desired, TimePoint now) {
  if (desired.cluster.restart == RestartPolicy::never || !restart_cures(seen)) return;
  if (!restart_) {
    restart_ = ports_.postgres.restart_outlook(seen.live.key_path);
    restart_->file_error = foreign_files_error(ports_.live, seen.server);
  }
  seen.restart = restart_;
  if (desired.cluster.restart == RestartPolicy::window && ports_.restart_windows) seen.restart_windows = ports_.restart_windows(now);
}

void Observer::observe_issuer(Observation& seen, const Desired& desired, TimePoint now) {
  (void)desired;
  seen.issuer = ports_.issuer.observe(now);
  for (const PendingSeen& pending : seen.pending) seen.answers.emplace_back(pending.spki_sha256, ports_.issuer.lookup(pending.spki_sha256, now));
}

const LeafJudgement* Observer::known_judgement(const GenerationSeen& generation, const Observation& seen, const Names& names, TimePoint now) const {
  const auto found = judged_.find(generation.id);
  if (found == judged_.end()) return nullptr;
  const CachedJudgement& known = found->second;
  const bool fresh = known.generation == generation && known.issuer == anchors_of(seen.issuer, {}) && known.names == names && now >= known.at && now - known.at < judgement_lasts;
  return fresh ? &known.judgement : nullptr;
}

const LeafJudgement& Observer::judge(const GenerationSeen& generation, const GenerationContent& content, const Observation& seen, const Names& names, TimePoint now) {
  CachedJudgement judged{generation, anchors_of(seen.issuer, {}), names, now,
                         judge_leaf(content.chain_pem, content.key_pem, anchors_of(seen.issuer, content.root_pem), names, now)};
  return judged_.insert_or_assign(generation.id, std::move(judged)).first->second.judgement;
}

void Observer::observe_current(Observation& seen, const Desired& desired, TimePoint now) {
  const GenerationSeen* live = seen.generations.live();
  if (live == nullptr || live->chain.empty() || live->key_denied || live->key_spki_sha256.empty()) return;
  const LeafJudgement* judgement = known_judgement(*live, seen, desired.names, now);
  if (judgement == nullptr) {
    auto content = ports_.generations.load(live->id);
    if (!content) {
      seen.faults.push_back(fault(ProblemCode::cert_unreadable, content.error(), live->id));
      return;
    }
    judgement = &judge(*live, *content, seen, desired.names, now);
  }
  seen.current = *judgement;
  if (seen.live.ours) seen.live.judgement = *judgement;
}

void Observer::observe_candidates(Observation& seen, const Desired& desired, TimePoint now) {
  for (const GenerationSeen& generation : seen.generations.all) {
    const bool decided = seen.memory.is_proved(generation.id) || seen.memory.is_refused(generation.id);
    if (generation.id == seen.generations.current || !generation.complete || decided) continue;
    CandidateJudgement judged{generation.id, {}, {}};
    if (auto content = ports_.generations.load(generation.id)) {
      const LeafJudgement* known = known_judgement(generation, seen, desired.names, now);
      judged.judgement = known != nullptr ? *known : judge(generation, *content, seen, desired.names, now);
      if (!foreign_) foreign_ = foreign_files_error(ports_.live, seen.server);
      judged.preflight_error = preflight({desired, seen, generation, *content, judged.judgement, now});
      if (judged.preflight_error.empty()) judged.preflight_error = *foreign_;
    } else if (is_passing(content.error())) {
      blind(seen, content.error(), generation.id);   // to refuse it would throw away what the root may have signed
      continue;
    } else {
      judged.preflight_error = printable(content.error().text());
    }
    if (skip_preflight_) judged.preflight_error.clear();
    seen.candidates.push_back(std::move(judged));
  }
}

}  // namespace pgcertd::engine
