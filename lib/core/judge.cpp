// Findings: everything that is wrong, judged from the same observation as the plan. Order of emission is order of cause:
// server, takeover, files, certificate, served, rotation, issuer.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "base/text.hpp"
#include "core/audit.hpp"
#include "core/client_certificates.hpp"
#include "core/exposed_keys.hpp"
#include "core/file_judge.hpp"
#include "core/foreign_pair.hpp"
#include "core/permissions.hpp"
#include "core/plan.hpp"
#include "core/runway.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;
using P = ProblemCode;

struct Judge {
  const Desired& desired;
  const Observation& seen;
  const NeedOf& need;
  TimePoint now;
  const GenerationSeen* current;
  std::vector<Finding> out;

  [[nodiscard]] const std::string& cluster() const { return desired.cluster.name; }
  void add(P code, std::string message, std::string remedy, std::string object = {}) {
    out.push_back(finding(code, std::move(message), std::move(remedy), std::move(object)));
  }
  void add(P code, Severity severity, std::string message, std::string remedy, std::string object = {}) {
    out.push_back({code, severity, std::move(object), std::move(message), std::move(remedy)});
  }
};

std::string server_remedy(ServerFault fault) {
  switch (fault) {
    case ServerFault::down: return "start PostgreSQL, or correct conninfo (host, port)";
    case ServerFault::starting: return "wait until PostgreSQL accepts connections; its log says what it does";
    case ServerFault::too_many_connections: return "raise max_connections or superuser_reserved_connections, or end idle sessions";
    case ServerFault::auth_failed: return "create the role with `pgcertctl setup sql`, and check `password` and pg_hba.conf";
    case ServerFault::timeout: return "look at the server's load and at its postmaster; it accepts but does not answer";
    case ServerFault::not_postgres: return "correct conninfo: what answers there is not PostgreSQL";
    case ServerFault::wrong_cluster: return "correct conninfo: another database cluster answers there";
    case ServerFault::wrong_peer: return "correct conninfo: the socket belongs to another user than the data directory";
    case ServerFault::insecure: return "use a Unix socket, or sslmode=verify-full with sslrootcert in conninfo";
    case ServerFault::none: case ServerFault::other: break;
  }
  return "look at the server's log";
}

// The other one's findings are all that there is to say of the server.
std::vector<Finding> judge_held(Judge& j) {
  j.add(P::config_invalid, fmt::format("it leads to the same server as cluster \"{}\": nothing is done for this one", printable(j.seen.held_by)),
        fmt::format("one server is one cluster: remove [cluster.{}], or correct its conninfo, and systemctl reload pgcertd", j.cluster()), "conninfo");
  return std::move(j.out);
}

void judge_server(Judge& j) {
  const PostgresSeen& server = j.seen.server;
  if (!server.reachable()) {
    // A server that turns away one more session still serves everybody else.
    const bool serves = server.fault == ServerFault::too_many_connections || server.fault == ServerFault::auth_failed || server.fault == ServerFault::starting;
    j.add(P::server_unreachable, serves ? Severity::warning : Severity::critical,
          fmt::format("PostgreSQL cannot be asked ({}): {}", to_string(server.fault), printable(server.fault_text)), server_remedy(server.fault));
    return;
  }
  const Privileges& may = server.privileges;
  if (!may.read_all_settings) j.add(P::privilege_missing, "the role may not read all settings", "GRANT pg_read_all_settings TO pgcertd;", "pg_read_all_settings");
  const bool other_way = j.desired.cluster.reload.kind == ReloadMethod::Kind::systemd || j.desired.own_uid == server.server_uid;
  if (!may.reload && !other_way)
    j.add(P::privilege_missing, "the role may not ask for a reload", "GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO pgcertd;", "pg_reload_conf");
}

// What cannot be read cannot be judged: what was wrong there before must not look mended.
void judge_rights(Judge& j) {
  if (!j.seen.server.reachable() || !j.seen.detail || !j.seen.detail->asked) return;
  const ServerDetail& read = *j.seen.detail;
  const auto lacks = [&](const char* what, const char* remedy, const char* object) {
    j.add(P::privilege_missing, fmt::format("the role may not read {}", what), remedy, object);
  };
  if (!read.hba) lacks("the rules of pg_hba.conf: they are not judged", "GRANT SELECT ON pg_catalog.pg_hba_file_rules TO pgcertd; GRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO pgcertd;", "pg_hba_file_rules");
  if (!read.file_settings && j.seen.server.privileges.read_all_settings)
    lacks("the settings in files: what overrides what is not judged", "GRANT SELECT ON pg_catalog.pg_file_settings TO pgcertd; GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO pgcertd;", "pg_file_settings");
  if (!read.sessions) lacks("the sessions of others: they are not judged", "GRANT pg_read_all_stats TO pgcertd;", "pg_read_all_stats");
}

void judge_takeover(Judge& j) {
  if (holds_foreign_pair(j.desired, j.seen, j.now))
    j.add(P::takeover_needed, fmt::format("somebody replaced the files of generation {} by a pair that works", j.current->id), fmt::format("pgcertctl takeover {}", j.cluster()), j.current->id);
  if (!needs_takeover(j.desired, j.seen)) return;
  const std::string remedy = fmt::format("pgcertctl takeover {}", j.cluster());
  const std::string clusters = j.seen.generations.directory.substr(0, j.seen.generations.directory.rfind('/') + 1);
  if (j.seen.live.cert_path.starts_with(clusters)) {   // a copy of another cluster brings its settings along
    j.add(P::takeover_needed, fmt::format("the settings name {}, which belongs to another cluster, as those of a standby or a copy do", printable(j.seen.live.cert_path)), remedy, j.seen.live.cert_path);
    return;
  }
  const std::string subject = j.seen.live.chain.empty() ? "a certificate that cannot be read" : printable(j.seen.live.chain.front().subject, 128);
  j.add(P::takeover_needed, fmt::format("{} is served from {} and was not made by pgcertd", subject, printable(j.seen.live.cert_path)), remedy, j.seen.live.cert_path);
}

// Somebody put something else in place of our links.
void judge_links(Judge& j) {
  if (j.desired.cluster.layout != Layout::in_place || !j.seen.in_place || !j.seen.in_place->refused.empty() || !j.seen.memory.linked_at || j.seen.live.ours) return;
  for (const InPlacePath* path : {&j.seen.in_place->certificate, &j.seen.in_place->key})
    if (!path->linked())
      j.add(P::file_changed, fmt::format("{} is not the link any more that pgcertd put there", printable(path->path)),
            fmt::format("find out who replaced it; pgcertctl takeover {} lets pgcertd put it back", j.cluster()), path->path);
}

void judge_restart_wanted(Judge& j) {
  const auto verdict = judge_restart(j.desired, j.seen, j.now);
  if (!verdict) return;
  std::string message = fmt::format("the key of {} needs a passphrase, which PostgreSQL takes only at its start: the certificate on disk is not the one served", printable(j.seen.live.cert_path));
  if (!verdict->now) message += fmt::format(" ({})", printable(verdict->why));
  const TimePoint end = j.seen.live.chain.front().not_after;
  for (const ProbeSeen& p : j.seen.probes)
    if (verdict->next_window && !p.chain.empty() && p.chain.front().not_after < *verdict->next_window && p.chain.front().not_after < end)
      message += fmt::format("; the served certificate ends at {}, before the window opens", to_rfc3339(p.chain.front().not_after));
  j.add(P::restart_required, std::move(message), restart_remedy(j.seen), j.seen.live.key_path);
}

// More than three repairs of one file in a day: somebody else changes it, too.
void judge_repairs(Judge& j) {
  std::map<std::string, std::vector<const Repair*>> by_file;
  for (const Repair& repair : j.seen.memory.repairs)
    if (repair.at > j.now - 24h) by_file[repair.file].push_back(&repair);
  for (const auto& [file, repairs] : by_file)
    if (repairs.size() > 3)
      j.add(P::file_contended,
            fmt::format("{} had to be repaired {} times in a day, the last time at {} from {} (mode, owner:group)", printable(file), repairs.size(), to_rfc3339(repairs.back()->at), repairs.back()->found),
            fmt::format("find the tool that changes it: auditctl -w {}/current/ -p wa shows it", j.seen.generations.directory), file);
}

// What was proved of the current generation, and what stands in it now.
std::string fingerprints(const Judge& j) {
  const auto& proved = j.seen.memory.proved;
  const auto known = std::find_if(proved.begin(), proved.end(), [&](const Proved& p) { return p.generation == j.current->id; });
  if (known == proved.end() || j.current->chain.empty() || known->fingerprint_sha256 == j.current->chain.front().fingerprint_sha256) return {};
  return fmt::format("; the certificate was {} and is {} (SHA-256)", known->fingerprint_sha256, j.current->chain.front().fingerprint_sha256);
}

void judge_files(Judge& j) {
  if (j.current == nullptr) return;
  if (j.current->key_denied)
    j.add(P::privilege_missing, "the daemon may not read the key that it installed", "run pgcertd with CAP_DAC_READ_SEARCH, as its unit does", "server.key");
  const bool known = j.seen.server.user_known();
  const ServerIdentity server = j.seen.server.identity();
  for (const FileSeen& file : j.current->files) {
    const bool is_key = file.is(FileRole::key);
    if (file.kind == FileSeen::Kind::missing) j.add(P::file_missing, printable(file.path) + " is not there", fmt::format("pgcertctl rotate {} --force", j.cluster()), file.path);
    if (file.kind == FileSeen::Kind::missing || !known) continue;
    switch (const FileVerdict verdict = judge_file(is_key, server, file); verdict) {
      case FileVerdict::ok: case FileVerdict::missing: break;
      case FileVerdict::wrong_owner:
        j.add(P::file_owner, fmt::format("{} belongs to uid {}", printable(file.path), file.uid), "pgcertd repairs it, where it may", file.path);
        break;
      case FileVerdict::not_regular: case FileVerdict::group_or_world: case FileVerdict::unreadable:
        j.add(P::file_permissions, fmt::format("{} has mode {:04o}: {}", printable(file.path), file.mode, to_string(verdict)), "pgcertd repairs it, where it may", file.path);
        if (is_key && verdict == FileVerdict::group_or_world)
          j.add(P::key_exposed, fmt::format("{} could be read by others", printable(file.path)), fmt::format("pgcertctl rotate {} --force", j.cluster()), file.path);
    }
  }
  if (!j.current->complete && !j.current->key_denied && !j.current->incomplete_why.empty())
    j.add(P::file_changed, fmt::format("generation {} is not as it was published: {}{}", j.current->id, printable(j.current->incomplete_why), fingerprints(j)),
          fmt::format("find out who changed it; pgcertctl takeover {} lets pgcertd replace it", j.cluster()), j.current->id);
  judge_repairs(j);
}

P code_of(const FileJudgement& file) {
  switch (file.verdict) {
    case FileVerdict::wrong_owner: return P::file_owner;
    case FileVerdict::missing: return P::file_missing;
    case FileVerdict::ok: case FileVerdict::not_regular: case FileVerdict::group_or_world: case FileVerdict::unreadable: break;
  }
  return P::file_permissions;
}

// Files of others, and directories on the way to any: pgcertd says what to type.
void judge_other_files(Judge& j) {
  for (const FileJudgement& file : judge_tls_files(j.seen)) {
    const bool directory = file.setting.empty();
    if (file.verdict == FileVerdict::ok || (file.ours && !directory)) continue;
    const std::string what = directory ? "may not be searched by the server's user" : fmt::format("is {} ({})", to_string(file.verdict), file.setting);
    j.add(code_of(file), fmt::format("{} ({}) {}", printable(file.path), file.actual, what), file.remedy, file.path);
  }
}

// The need's own problem, while it stands.
void judge_need(Judge& j) {
  if (j.need.need == Need::absent && j.current != nullptr && j.current->origin == Origin::adopted) return;   // something works: not missing
  if (j.need.need == Need::absent && j.seen.server.known && !j.seen.live.ours && j.seen.live.readable && j.seen.server.ssl_on()) return;
  for (const NeedRow& r : need_table())
    if (r.need == j.need.need && r.problem) j.add(*r.problem, j.need.why, fmt::format("pgcertctl rotate {} --dry-run", j.cluster()), j.current ? j.current->id : std::string{});
}

void judge_dates(Judge& j) {
  if (j.current == nullptr || j.current->chain.empty()) return;
  const CertFacts& leaf = j.current->chain.front();
  const TimePoint end = j.seen.current ? std::min(leaf.not_after, j.seen.current->chain_not_after) : leaf.not_after;
  const Duration life = end - leaf.not_before, left = end - j.now;
  if (left <= 0ms || life <= 0ms) return;
  if (expires_soon(left, life))
    j.add(P::cert_expiring, fmt::format("the certificate ends {} ({})", relative_text(end, j.now), to_rfc3339(end)), fmt::format("pgcertctl rotate {} --dry-run", j.cluster()));
  if (j.need.renew_at && !j.seen.memory.paused(j.now) && j.now > *j.need.renew_at + std::min<Duration>(1h, life / 10))
    j.add(P::cert_renewal_overdue, fmt::format("its renewal was planned for {}", to_rfc3339(*j.need.renew_at)), fmt::format("pgcertctl rotate {} --dry-run", j.cluster()));
}

// Between publishing and the deadline of its proof the server may well serve the one before: that is no problem yet.
bool awaits_proof(const Judge& j) {
  const auto& publish = j.seen.memory.publish;
  if (!publish || j.current == nullptr || publish->generation != j.current->id || j.seen.memory.is_refused(j.current->id)) return false;
  const Duration since = j.now - publish->first_reload_at.value_or(publish->at);
  return since >= 0ms && since < roll_back_after;
}

// Somebody who replaces a certificate by hand reloads after it, and is given the time that a reload of ours has.
bool just_replaced(const Judge& j) {
  const auto fresh = [&](const FileSeen& file) { return file.modified <= j.now && j.now - file.modified < roll_back_after; };
  if (j.seen.live.ours)
    return j.current != nullptr && j.current->changed && std::ranges::any_of(j.current->files, [&](const FileSeen& file) { return file.is(FileRole::certificate) && fresh(file); });
  return std::ranges::any_of(j.seen.live_files, [&](const LiveFileSeen& live) { return live.role == FileRole::certificate && live.trouble.empty() && fresh(live.file); });
}

// From our issuer, or served with proof before: whatever shows it stands before this server.
bool is_known(const Judge& j, const CertFacts& leaf) {
  const auto& issuer = j.seen.issuer;
  for (const auto& ca : {issuer.issuing, issuer.root})
    if (ca && !leaf.authority_key_id.empty() && leaf.authority_key_id == ca->subject_key_id) return true;
  const auto same = [&](const std::string& fingerprint) { return fingerprint == leaf.fingerprint_sha256; };
  return std::ranges::any_of(j.seen.memory.proved, same, &Proved::fingerprint_sha256) ||
         std::ranges::any_of(j.seen.generations.all, [&](const GenerationSeen& g) { return !g.chain.empty() && same(g.chain.front().fingerprint_sha256); });
}

void judge_other_leaf(Judge& j, const ProbeSeen& probe) {
  const CertFacts& leaf = probe.chain.front();
  if (!probe.own && !is_known(j, leaf))
    return j.add(P::endpoint_unmanaged, fmt::format("{} serves a certificate that pgcertd does not manage: {}, serial {}, until {}", probe.endpoint, printable(leaf.subject, 128), leaf.serial, to_rfc3339(leaf.not_after)),
                 fmt::format("pgcertctl probe {}; what has a certificate of its own there does not belong into endpoints", probe.endpoint), probe.endpoint);
  if (awaits_proof(j) || just_replaced(j)) return;
  j.add(P::served_stale, fmt::format("{} serves serial {}, the file holds another certificate", probe.endpoint, leaf.serial),
        fmt::format("pgcertctl probe {}; pgcertd reloads the server", probe.endpoint), probe.endpoint);
}

void judge_probe(Judge& j, const ProbeSeen& probe, const std::string& fingerprint) {
  switch (probe.outcome) {
    case ProbeOutcome::served:
      if (!fingerprint.empty() && !probe.chain.empty() && probe.chain.front().fingerprint_sha256 != fingerprint) {
        judge_other_leaf(j, probe);
      } else if (j.seen.live.ours && !probe.verify.empty() && probe.verify != "ok" && j.current != nullptr && j.current->origin == Origin::issued)
        j.add(P::served_unverifiable, fmt::format("what {} serves does not verify: {}", probe.endpoint, printable(probe.verify)), fmt::format("pgcertctl probe {}", probe.endpoint), probe.endpoint);
      return;
    case ProbeOutcome::ssl_refused:
      if (awaits_proof(j) || (j.seen.server.reachable() && !j.seen.server.ssl_on())) return;   // the setting is told of once
      j.add(P::ssl_off, fmt::format("{} refuses TLS", probe.endpoint),
            j.desired.cluster.enable_ssl ? fmt::format("pgcertctl status {}", j.cluster()) : "set enable_ssl = true", probe.endpoint);
      return;
    case ProbeOutcome::unreachable: case ProbeOutcome::timeout: case ProbeOutcome::not_postgres: case ProbeOutcome::handshake_failed:
      if (j.seen.server.reachable())
        j.add(P::probe_failed, fmt::format("{} could not be probed ({}): {}", probe.endpoint, to_string(probe.outcome), printable(probe.detail)),
              fmt::format("pgcertctl probe {}", probe.endpoint), probe.endpoint);
  }
}

void judge_served(Judge& j) {
  std::string fingerprint;
  if (j.seen.live.ours && j.current != nullptr && !j.current->chain.empty()) fingerprint = j.current->chain.front().fingerprint_sha256;
  else if (!j.seen.live.chain.empty()) fingerprint = j.seen.live.chain.front().fingerprint_sha256;
  for (const ProbeSeen& probe : j.seen.probes) judge_probe(j, probe, fingerprint);
  if (j.seen.server.reachable() && !j.seen.server.ssl_on())
    j.add(P::ssl_off, "the server's ssl setting is off", !j.desired.cluster.enable_ssl ? "set enable_ssl = true" : fmt::format("pgcertctl {} {}", j.seen.memory.paused(j.now) ? "resume" : "status", j.cluster()));
}

void judge_settings(Judge& j) {
  const bool ours_but_other = j.seen.memory.settings_tries >= 2 && j.seen.server.reachable() && !(j.seen.live.ours && j.seen.server.ssl_on());
  if (!ours_but_other) return;
  const auto source = j.seen.server.settings.find("ssl_cert_file");
  const std::string where = source == j.seen.server.settings.end() ? "" : printable(fmt::format("{} {}:{}", source->second.source, source->second.sourcefile, source->second.sourceline));
  j.add(P::settings_shadowed, "ssl settings were changed and the server reloaded, but they are not in force; ssl_cert_file comes from " + where,
        "remove the setting there (SELECT * FROM pg_file_settings WHERE NOT applied OR error IS NOT NULL)", "ssl_cert_file");
}

// Only where a reload is about to be wanted: what somebody edits is otherwise no business of ours.
void judge_guard(Judge& j) {
  if (j.desired.cluster.reload_guard == ReloadGuard::off || !j.seen.detail) return;
  const bool reload_ahead = j.need.need != Need::none || j.seen.memory.publish;
  const auto changes = reload_ahead ? pending_changes(j.seen.memory, j.seen.server, *j.seen.detail) : std::vector<std::string>{};
  if (changes.empty()) return;
  const bool waits = j.desired.cluster.reload_guard == ReloadGuard::wait;
  j.add(P::reload_guarded, fmt::format("a reload would also apply {}{}", fmt::join(changes, ", "), waits ? "; the rotation waits for it" : ""),
        "finish that change and SELECT pg_reload_conf(); or take it back");
}

void judge_clock(Judge& j) {
  if (!j.seen.clock_doubt) return;
  const auto& [by, until] = *j.seen.clock_doubt;
  j.add(P::clock_jump, fmt::format("the wall clock jumped {} by {}; nothing is issued or collected until {}, when it is believed if it stays", by < 0ms ? "back" : "forward",
                                   to_text(std::chrono::round<std::chrono::seconds>(std::chrono::abs(by))), to_rfc3339(until)),
        "timedatectl timesync-status or chronyc tracking shows who set it; set it back if it is wrong");
}

void judge_rotation(Judge& j) {
  const ClusterMemory& m = j.seen.memory;
  if (m.paused(j.now))
    j.add(P::rotation_paused, fmt::format("paused until {}: {}", to_rfc3339(m.pause->until), printable(m.pause->reason)), fmt::format("pgcertctl resume {}", j.cluster()));
  if (!m.last_failure) return;
  if (m.last_failure->rolled_back) j.add(P::reload_not_applied, printable(m.last_failure->message), m.last_failure->remedy);
  const bool urgent = std::any_of(j.out.begin(), j.out.end(), [](const Finding& f) { return f.code == P::cert_expiring || f.code == P::cert_expired; });
  if (m.consecutive_failures >= 2 || !m.last_failure->rolled_back)
    j.add(P::rotation_failing, urgent ? Severity::critical : Severity::warning,
          fmt::format("{} failed at stage {}: {}", m.consecutive_failures == 1 ? "the last try" : fmt::format("{} tries in a row", m.consecutive_failures), m.last_failure->stage,
                      printable(m.last_failure->message)),
          m.last_failure->remedy.empty() ? fmt::format("pgcertctl rotate {} --dry-run", j.cluster()) : m.last_failure->remedy);
}

// Nothing is issued without a name, and nothing else would tell: what is there may well work.
void judge_names(Judge& j) {
  if (j.need.need == Need::none || !all_names(j.desired.names).empty()) return;
  j.add(P::rotation_failing, "no certificate can be issued: no name is configured, and this host has no fully qualified one",
        fmt::format("set names in the section of cluster {}, as clients write them into host=; then systemctl reload pgcertd", j.cluster()));
}

// What has just been published is loaded by the reload that comes next, and a client's handshake shows it only then.
void judge_client_ca(Judge& j) {
  const bool awaited = awaits_proof(j);
  std::vector<Finding> found = judge_trust(j.desired, j.seen);
  // A server that is down reads its files when it starts, and lets nobody in until then.
  const TimePoint loaded = j.seen.server.fault == ServerFault::down ? TimePoint{} : j.seen.server.config_loaded;
  if (j.seen.crl_set) std::ranges::move(judge_crls(*j.seen.crl_set, loaded, j.now), std::back_inserter(found));
  if (awaited) std::erase_if(found, [](const Finding& one) { return one.code == P::crl_not_loaded; });
  std::ranges::move(found, std::back_inserter(j.out));
}

void judge_issuing(Judge& j) {
  if (!j.seen.issuer.available)
    j.add(P::issuer_failed, "the issuer cannot sign: " + printable(j.seen.issuer.why), j.seen.issuer.remedy, j.seen.issuer.name);
  for (const auto& [spki, answered] : j.seen.answers)
    if (const auto* pending = std::get_if<Pending>(&answered); pending != nullptr && (j.desired.issuer_type == IssuerType::offline || j.now - pending->since > 1min))
      j.add(P::awaiting_signature, fmt::format("request {} waits since {}", spki.substr(0, 16), to_rfc3339(pending->since)), j.desired.issuer_type == IssuerType::offline ? std::string("pgcertctl request export; pgcertctl ca session where the root's key is; pgcertctl request import")
                                                        : fmt::format("pgcertctl status {}: the issuer's own problem says why it does not sign", j.cluster()), spki);
  std::optional<CertFacts> leaf;
  if (j.current != nullptr && !j.current->chain.empty()) leaf = j.current->chain.front();
  const Runway way = runway(as_installed(j.seen.issuer, j.current), j.desired.issuer_type, leaf);
  if (!way.ends_at || *way.ends_at - j.now >= j.desired.runway_warning) return;
  j.add(P::runway_short, *way.ends_at - j.now < j.desired.runway_critical ? Severity::critical : Severity::warning,
        fmt::format("without the root's key this host survives until {} (limited by {})", to_rfc3339(*way.ends_at), to_string(way.limited_by)), "pgcertctl runway");
}

}  // namespace

Proof proof_of(const std::vector<ProbeSeen>& probes, const std::string& fingerprint_sha256) {
  Proof proof = Proof::unknown;
  for (const ProbeSeen& probe : probes) {
    if (probe.outcome == ProbeOutcome::served && !probe.chain.empty() && probe.chain.front().fingerprint_sha256 == fingerprint_sha256) return Proof::shown;
    if (probe.outcome == ProbeOutcome::served || probe.outcome == ProbeOutcome::ssl_refused) proof = Proof::contradicted;
  }
  return proof;
}

bool expires_soon(Duration left, Duration life) { return left < life / 10 && left < 14 * 24h; }

std::string pair_in_place(const LiveSet& live) { return live.chain.empty() ? live.cert_path : live.chain.front().fingerprint_sha256; }

bool consented(const Observation& seen) { return seen.memory.takeover && seen.memory.takeover->to == pair_in_place(seen.live); }

namespace {

bool works_for_somebody_else(const Desired& desired, const Observation& seen) {
  const LiveSet& live = seen.live;
  if (!seen.server.known || !seen.server.ssl_on() || live.ours || live.snakeoil) return false;
  // Half of a step of ours that was cut off, or half of what somebody did to our links: nothing works there by itself.
  if (seen.in_place && (seen.in_place->half_linked() || (seen.memory.linked_at && !live.judgement.loads))) return false;
  const bool served = std::any_of(seen.probes.begin(), seen.probes.end(), [](const ProbeSeen& p) { return p.outcome == ProbeOutcome::served; });
  if (!live.judgement.loads && !served) return false;   // nothing works there
  const bool issued_by_us = !live.chain.empty() && seen.issuer.issuing && live.chain.front().authority_key_id == seen.issuer.issuing->subject_key_id && live.judgement.chain_ok;
  if (!issued_by_us) return true;
  const auto dropped = [](const std::vector<std::string>& have, const std::vector<std::string>& want) {
    return std::any_of(have.begin(), have.end(), [&](const std::string& n) { return std::find(want.begin(), want.end(), n) == want.end(); });
  };
  return dropped(live.chain.front().names.dns, desired.names.dns) || dropped(live.chain.front().names.ip, desired.names.ip);
}

}  // namespace

bool may_be_taken_over(const Desired& desired, const Observation& seen) {
  const GenerationSeen* current = seen.generations.live();
  if (!seen.server.known) return false;
  if (seen.live.ours) return current != nullptr && current->changed;
  return seen.memory.linked_at || works_for_somebody_else(desired, seen);   // the former: somebody put something in place of our links
}

bool needs_takeover(const Desired& desired, const Observation& seen) {
  return desired.cluster.takeover != TakeoverPolicy::always && !consented(seen) && works_for_somebody_else(desired, seen);
}

std::vector<Finding> judge(const Desired& desired, const Observation& seen, const NeedOf& need, TimePoint now) {
  Judge j{desired, seen, need, now, seen.generations.live(), seen.faults};
  if (!seen.held_by.empty()) return judge_held(j);
  judge_server(j);
  judge_rights(j);
  judge_takeover(j);
  std::ranges::move(judge_foreign_pair(desired, seen, now), std::back_inserter(j.out));
  judge_restart_wanted(j);
  judge_links(j);
  judge_files(j);
  judge_other_files(j);
  judge_need(j);
  judge_dates(j);
  judge_served(j);
  judge_settings(j);
  judge_guard(j);
  judge_clock(j);
  judge_rotation(j);
  judge_names(j);
  judge_issuing(j);
  judge_client_ca(j);
  auto weak = audit(desired, seen);
  j.out.insert(j.out.end(), std::make_move_iterator(weak.begin()), std::make_move_iterator(weak.end()));
  const bool told = std::ranges::any_of(j.out, [](const Finding& f) { return f.code == P::key_exposed; });
  if (auto exposed = judge_exposed_key(desired, seen); exposed && !told) j.out.push_back(std::move(*exposed));
  return std::move(j.out);
}

std::vector<Finding> judge_issuer(const IssuerConfig& config, const IssuerSeen& seen, Duration longest_leaf, TimePoint now) {
  std::vector<Finding> out;
  if (!seen.available) out.push_back(finding(P::issuer_failed, printable(seen.why), seen.remedy, config.name));
  else if (!seen.crl_fault.empty()) out.push_back({P::issuer_failed, Severity::warning, config.name, "no new CRL can be signed: " + printable(seen.crl_fault, 1000), seen.crl_remedy});
  const auto ends_soon = [&](const std::optional<CertFacts>& ca, P code, Duration least, const char* what, const char* remedy) {
    if (!ca || ca->not_after >= no_expiry) return;
    const Duration left = ca->not_after - now;
    if (left >= std::max((ca->not_after - ca->not_before) / 3, least)) return;
    const bool late = left < 30 * 24h;
    out.push_back({code, late ? Severity::critical : Severity::warning, config.name, fmt::format("{} ends {} ({})", what, relative_text(ca->not_after, now), to_rfc3339(ca->not_after)),
                   remedy});
  };
  ends_soon(seen.issuing, P::issuing_ca_expiring, 2 * longest_leaf, "the issuing CA's certificate",
            "pgcertctl request export; pgcertctl ca session where the root's key is; pgcertctl request import");
  if (seen.root && seen.issuing)
    ends_soon(seen.root, P::root_ca_expiring, seen.issuing->not_after - seen.issuing->not_before, "the root CA's certificate",
              "make a new root beside it with pgcertctl ca init, and let clients trust both, as pgcertd's OPERATING.md shows");
  if (seen.root_crl && seen.root_crl->next_update) {
    const Duration left = *seen.root_crl->next_update - now, life = *seen.root_crl->next_update - seen.root_crl->this_update;
    if (left < life / 4)
      out.push_back({P::root_crl_expiring, left < life / 10 ? Severity::critical : Severity::warning, config.name,
                     fmt::format("the root's CRL ends {}", relative_text(*seen.root_crl->next_update, now)), "pgcertctl ca crl where the root's key is, then pgcertctl crl import FILE"});
  }
  std::ranges::move(judge_clients(seen, now), std::back_inserter(out));
  return out;
}

}  // namespace pgcertd
