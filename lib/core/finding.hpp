// Finding: one problem that stands, with a stable code. The table here gives each code its severity, meaning and
// effect on clients, and is printed into docs/TABLES.md (pgcertd --print-tables).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pgcertd {

enum class Severity : std::uint8_t { ok, warning, critical, unknown };
std::string_view to_string(Severity severity) noexcept;          // "ok" "warning" "critical" "unknown"
Severity worse(Severity a, Severity b) noexcept;                 // critical > unknown > warning > ok

enum class ProblemCode : std::uint8_t {
  cert_missing, cert_unreadable, cert_renewal_overdue, cert_expiring, cert_expired, cert_not_yet_valid, cert_key_mismatch,
  cert_chain_incomplete, cert_untrusted, cert_name_mismatch, cert_weak, cert_revoked,
  served_stale, served_unverifiable, probe_failed, ssl_off,
  file_permissions, file_owner, file_missing, file_changed, key_encrypted, file_contended, key_exposed,
  crl_missing, crl_expiring, crl_expired, crl_untrusted, crl_not_loaded, crl_oversize,
  issuing_ca_expiring, root_ca_expiring, root_crl_expiring, runway_short, awaiting_signature, issuer_failed,
  server_unreachable, reload_not_applied, restart_required, privilege_missing, hba_plaintext, hba_clientcert_without_ca,
  hba_rejected, hba_auth_weak, tls_version_low, settings_shadowed, settings_weak, sessions_plaintext, session_revoked,
  endpoint_unmanaged, takeover_needed, reload_guarded,
  client_cert_expiring,
  config_invalid, state_unwritable, clock_jump, rotation_failing, rotation_paused, log_broken,
};

struct ProblemRow {
  ProblemCode code;
  std::string_view name;        // "served-stale"
  Severity severity;            // where time left decides, the Finding carries the judged one and this is the worst
  std::string_view meaning;
  std::string_view effect;      // what clients feel
};
std::span<const ProblemRow> problem_table() noexcept;
const ProblemRow& row(ProblemCode code) noexcept;
std::string_view to_string(ProblemCode code) noexcept;
std::optional<ProblemCode> parse_problem_code(std::string_view name) noexcept;

struct Finding {
  ProblemCode code = ProblemCode::issuer_failed;
  Severity severity = Severity::warning;
  std::string object;           // file, endpoint or setting that is meant, or empty
  std::string message;          // one sentence with the facts
  std::string remedy;           // a command to run, or what to do
  bool operator==(const Finding&) const = default;
};

// With the table's severity.
Finding finding(ProblemCode code, std::string message, std::string remedy, std::string object = {});

}  // namespace pgcertd
