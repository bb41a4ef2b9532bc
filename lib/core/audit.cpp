#include "core/audit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/hash.hpp"
#include "base/text.hpp"
#include "core/hba.hpp"
#include "core/setting_value.hpp"

namespace pgcertd {
namespace {

using P = ProblemCode;

// OpenSSL's security level 2, which Debian sets: 112 bits of security.
constexpr int least_dh_bits = 2048;
constexpr std::uint32_t sni_since = 19;

struct Audit {
  const Desired& desired;
  const Observation& seen;
  std::vector<Finding> out;

  [[nodiscard]] const PostgresSeen& server() const { return seen.server; }
  void add(P code, std::string message, std::string remedy, std::string object) { out.push_back(finding(code, std::move(message), std::move(remedy), std::move(object))); }
};

std::string where(const PostgresSeen& server, const std::string& name) {
  const auto found = server.settings.find(name);
  if (found == server.settings.end() || found->second.sourcefile.empty()) return {};
  return printable(fmt::format(" ({}:{})", found->second.sourcefile, found->second.sourceline), 300);
}

std::string set_remedy(const std::string& name, const std::string& value) { return fmt::format("ALTER SYSTEM SET {} = '{}'; SELECT pg_reload_conf();", name, value); }

void protocol_version(Audit& a) {
  const auto found = a.server().settings.find("ssl_min_protocol_version");
  if (found == a.server().settings.end()) return;   // before PostgreSQL 12
  const std::string& least = found->second.value;
  if (least == "TLSv1.2" || least == "TLSv1.3") return;
  a.add(P::tls_version_low, fmt::format("ssl_min_protocol_version is '{}'{}: older clients may still speak TLS below 1.2", least, where(a.server(), found->first)),
        set_remedy(found->first, "TLSv1.2"), found->first);
}

void ciphers(Audit& a) {
  if (a.seen.tls_files.weak_ciphers.empty()) return;
  a.add(P::settings_weak, fmt::format("ssl_ciphers{} lets in {}", where(a.server(), "ssl_ciphers"), printable(fmt::format("{}", fmt::join(a.seen.tls_files.weak_ciphers, ", ")), 200)),
        "ALTER SYSTEM RESET ssl_ciphers; SELECT pg_reload_conf();", "ssl_ciphers");
}

void dh_parameters(Audit& a) {
  const auto bits = a.seen.tls_files.dh_bits;
  if (!bits || *bits >= least_dh_bits) return;
  a.add(P::settings_weak, fmt::format("ssl_dh_params_file{} holds {} bits, which clients at security level 2 refuse", where(a.server(), "ssl_dh_params_file"), *bits),
        "ALTER SYSTEM RESET ssl_dh_params_file; SELECT pg_reload_conf();", "ssl_dh_params_file");
}

void passphrase(Audit& a) {
  if (!a.seen.tls_files.key_encrypted) return;
  const bool command = !a.server().setting("ssl_passphrase_command").empty();
  if (command && a.server().setting("ssl_passphrase_command_supports_reload") == "on") return;
  const std::string why = command ? "ssl_passphrase_command_supports_reload is off" : "there is no ssl_passphrase_command";
  a.add(P::key_encrypted, fmt::format("{} needs a passphrase and {}: a new certificate needs a restart", printable(a.seen.live.key_path), why),
        command ? set_remedy("ssl_passphrase_command_supports_reload", "on") : "remove the key's passphrase, or set ssl_passphrase_command", a.seen.live.key_path);
}

void certificate_file(Audit& a) {
  const LiveSet& live = a.seen.live;
  if (a.seen.tls_files.key_in_certificate_file)
    a.add(P::key_exposed, fmt::format("{} holds a private key, and its mode is not looked at by PostgreSQL", printable(live.cert_path)),
          fmt::format("take the key out of it, and replace the pair: pgcertctl rotate {} --force", a.desired.cluster.name), live.cert_path);
  if (a.seen.tls_files.completed_by_ca_file)
    a.add(P::cert_chain_incomplete, fmt::format("{} lacks its intermediate certificate; it is only sent because ssl_ca_file holds it, too", printable(live.cert_path)),
          "append the intermediate to the certificate file", live.cert_path);
  if (live.snakeoil && a.server().ssl_on())
    a.add(P::settings_weak, "Debian's snakeoil certificate is served, which no client can verify", fmt::format("pgcertctl rotate {} --dry-run tells why it is not replaced", a.desired.cluster.name), live.cert_path);
}

void key_place(Audit& a) {
  const std::string& key = a.seen.live.key_path;
  if (a.seen.live.ours || !a.server().ssl_on() || a.server().data_directory.empty() || !key.starts_with(a.server().data_directory + "/")) return;
  a.add(P::settings_weak, fmt::format("{} lies inside the data directory: each pg_basebackup and each copy of it takes the key along", printable(key)),
        "move it out, or let pgcertd manage the pair", key);
}

void unknown_parameters(Audit& a) {
  const std::uint32_t major = a.server().version_num / 10000;
  if (major >= sni_since && a.server().setting("ssl_sni") == "on")
    a.add(P::endpoint_unmanaged, "ssl_sni is on: host names in pg_hosts.conf have certificates of their own, which pgcertd does not manage yet", "watch them by other means, or set ssl_sni = off", "ssl_sni");
}

bool about_ssl(const FileSetting& line) { return line.name.starts_with("ssl"); }

std::string line_of(const FileSetting& line) { return printable(fmt::format("{}:{}", line.sourcefile, line.sourceline), 300); }

// A line of a file that another line overrides, though it says something else. What pgcertd itself set is meant to win.
void shadowed(Audit& a) {
  if (!a.seen.detail || !a.seen.detail->file_settings) return;
  for (const FileSetting& line : *a.seen.detail->file_settings) {
    if (!about_ssl(line)) continue;
    if (!line.error.empty()) {
      a.add(P::settings_shadowed, fmt::format("{} = '{}' in {} is not applied: {}", line.name, printable(line.value, 100), line_of(line), printable(line.error, 200)), "correct the line, and reload", line_of(line));
      continue;
    }
    if (line.applied || same_value(line.vartype, line.unit, line.value, line.in_force)) continue;
    const bool ours = a.seen.live.ours && (line.name == "ssl" || line.name == "ssl_cert_file" || line.name == "ssl_key_file");
    const bool restart = a.server().settings.contains(line.name) && a.server().settings.at(line.name).pending_restart;
    if (ours || restart) continue;
    a.add(P::settings_shadowed, fmt::format("{} = '{}' in {} has no effect: '{}' is in force{}", line.name, printable(line.value, 100), line_of(line), printable(line.in_force, 100), where(a.server(), line.name)),
          "take out the line that is not meant", line_of(line));
  }
}

void sessions(Audit& a) {
  if (a.seen.detail && a.seen.detail->sessions) {
    std::uint64_t plain = 0;
    for (const SessionGroup& group : *a.seen.detail->sessions)
      if (group.tcp && !group.loopback && group.tls_version.empty()) plain += group.count;
    if (plain > 0)
      a.add(P::sessions_plaintext, fmt::format("{} session(s) from other hosts run without TLS", plain),
            "SELECT usename, client_addr, application_name FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE NOT ssl AND client_addr IS NOT NULL;", {});
  }
  for (const CertSession& one : a.seen.revoked_sessions)
    a.add(P::session_revoked, fmt::format("session {} of role {} goes on with a client certificate that has been revoked ({})", one.pid, printable(one.role, 63), printable(one.client_dn, 128)),
          fmt::format("SELECT pg_terminate_backend({});", one.pid), fmt::format("pid {}", one.pid));
}

// A standby is a client: what it does not verify, somebody in between can read and forge.
void replication(Audit& a) {
  if (!a.seen.detail || !a.seen.detail->upstream) return;
  const Upstream& from = *a.seen.detail->upstream;
  if (from.host.starts_with('/') || from.sslmode == "verify-full" || from.sslmode == "verify-ca") return;
  const std::string weakness = from.sslmode == "require" ? "without knowing whom it talks to" : "in plaintext, if somebody in between wants that";
  a.add(P::settings_weak, fmt::format("this standby gets its WAL from {} with sslmode={}: {}", printable(from.host, 128), printable(from.sslmode, 20), weakness),
        "write sslmode=verify-full and sslrootcert=FILE (the root of the primary's certificate) into primary_conninfo, and reload", "primary_conninfo");
}

constexpr std::array checks{protocol_version, ciphers, dh_parameters, passphrase, certificate_file, key_place, unknown_parameters, shadowed, sessions, replication};

// What a reload can change at all.
bool takes_a_reload(const FileSetting& line) {
  return line.context == "sighup" || line.context == "user" || line.context == "superuser" || line.context == "backend" || line.context == "superuser-backend";
}

}  // namespace

std::vector<Finding> audit(const Desired& desired, const Observation& seen) {
  if (!seen.server.reachable()) return {};
  Audit a{desired, seen, {}};
  for (const auto check : checks) check(a);
  if (seen.detail && seen.detail->hba) {
    auto rows = judge_hba(seen.server, *seen.detail->hba);
    a.out.insert(a.out.end(), std::make_move_iterator(rows.begin()), std::make_move_iterator(rows.end()));
  }
  return std::move(a.out);
}

bool written_since_load(const PostgresSeen& server, const ServerDetail& detail) { return detail.hba_modified && *detail.hba_modified > server.config_loaded; }

std::uint64_t digest_of(const std::vector<HbaRule>& rules) noexcept {
  Fnv1a hash;
  for (const HbaRule& rule : rules) {
    for (const std::string* text : {&rule.file, &rule.type, &rule.address, &rule.netmask, &rule.method, &rule.error}) hash.add(*text);
    for (const auto* list : {&rule.databases, &rule.users, &rule.options}) {
      for (const std::string& one : *list) hash.add(one);
      hash.add("");
    }
  }
  return hash.value();
}

std::vector<std::string> pending_changes(const ClusterMemory& memory, const PostgresSeen& server, const ServerDetail& detail) {
  std::vector<std::string> out;
  for (const FileSetting& line : detail.file_settings.value_or(std::vector<FileSetting>{})) {
    // A value that a session, the command line or a role overrides is not what a reload would change.
    const bool from_files = line.source == "configuration file" || line.source == "default";
    if (about_ssl(line) || !line.applied || !from_files || !takes_a_reload(line) || same_value(line.vartype, line.unit, line.value, line.in_force)) continue;
    out.push_back(fmt::format("{} = '{}' ({})", printable(line.name, 63), printable(line.value, 100), line_of(line)));
  }
  for (const std::string& name : detail.reset_by_reload.value_or(std::vector<std::string>{})) out.push_back(fmt::format("{} back to its default", printable(name, 63)));
  // The views show the file, never what is in force: what was written after the last load has not been loaded.
  if (written_since_load(server, detail) && detail.hba && memory.hba_in_force != digest_of(*detail.hba)) out.emplace_back("changed rows of pg_hba.conf");
  return out;
}

bool is_audit_code(ProblemCode code) noexcept {
  constexpr std::array codes{P::server_unreachable, P::ssl_off, P::tls_version_low, P::settings_shadowed, P::settings_weak, P::hba_plaintext, P::hba_clientcert_without_ca, P::hba_rejected, P::hba_auth_weak,
                             P::sessions_plaintext, P::session_revoked, P::key_encrypted, P::key_exposed, P::cert_chain_incomplete, P::cert_weak, P::endpoint_unmanaged,
                             P::reload_guarded, P::privilege_missing, P::file_permissions, P::file_owner};
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace pgcertd
