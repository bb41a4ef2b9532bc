#include "core/finding.hpp"

#include <array>

namespace pgcertd {
namespace {

using enum ProblemCode;
constexpr Severity warn = Severity::warning;
constexpr Severity crit = Severity::critical;

// In the enum's order, which a test checks: row() indexes by code.
constexpr std::array table{
    ProblemRow{cert_missing, "cert-missing", crit, "the certificate that the server should serve is not there", "PostgreSQL does not start again, or TLS stays off"},
    ProblemRow{cert_unreadable, "cert-unreadable", crit, "the certificate file is no certificate, or may not be read", "PostgreSQL refuses it at the next reload or start"},
    ProblemRow{cert_renewal_overdue, "cert-renewal-overdue", warn, "the planned renewal is more than an hour past", "none yet: the old certificate is still valid"},
    ProblemRow{cert_expiring, "cert-expiring", crit, "less than a tenth of the certificate's life is left", "verify-ca and verify-full clients fail when it ends"},
    ProblemRow{cert_expired, "cert-expired", crit, "the certificate has expired", "verify-ca and verify-full clients cannot connect"},
    ProblemRow{cert_not_yet_valid, "cert-not-yet-valid", crit, "the certificate's notBefore lies in the future", "verify-ca and verify-full clients cannot connect"},
    ProblemRow{cert_key_mismatch, "cert-key-mismatch", crit, "certificate and key do not belong together", "every reload is refused and the next start fails"},
    ProblemRow{cert_chain_incomplete, "cert-chain-incomplete", crit, "an intermediate certificate is missing from the certificate file", "clients that know only the root cannot connect"},
    ProblemRow{cert_untrusted, "cert-untrusted", crit, "the chain does not lead to the issuer's root", "verify-ca and verify-full clients cannot connect"},
    ProblemRow{cert_name_mismatch, "cert-name-mismatch", crit, "a configured name is not in the certificate", "verify-full clients that use this name cannot connect"},
    ProblemRow{cert_weak, "cert-weak", warn, "key or signature is below OpenSSL's security level 2, or SCRAM cannot bind to it", "strict clients refuse it; SCRAM may fail"},
    ProblemRow{cert_revoked, "cert-revoked", crit, "the certificate has been revoked by its issuer", "clients that check CRLs cannot connect"},
    ProblemRow{served_stale, "served-stale", crit, "a handshake shows another certificate than the one in the file", "clients see the old certificate until the server takes the new one"},
    ProblemRow{served_unverifiable, "served-unverifiable", crit, "the served chain does not verify under the issuer's root", "verify-ca and verify-full clients cannot connect"},
    ProblemRow{probe_failed, "probe-failed", warn, "an endpoint could not be probed though the server runs", "unknown: nothing proves what clients see there"},
    ProblemRow{ssl_off, "ssl-off", crit, "the server does not offer TLS", "sslmode=require and above fail; prefer goes plaintext in silence"},
    ProblemRow{file_permissions, "file-permissions", crit, "a TLS file has a mode that PostgreSQL refuses or that exposes a key", "the next reload is refused and the next start fails"},
    ProblemRow{file_owner, "file-owner", crit, "a TLS file has an owner that PostgreSQL refuses", "the next reload is refused and the next start fails"},
    ProblemRow{file_missing, "file-missing", crit, "a TLS file that the settings name is not there", "the next reload is refused and the next start fails"},
    ProblemRow{file_changed, "file-changed", warn, "somebody else changed a file that pgcertd installed", "depends on the new content"},
    ProblemRow{key_encrypted, "key-encrypted", warn, "the private key needs a passphrase", "a reload cannot take it without ssl_passphrase_command_supports_reload"},
    ProblemRow{file_contended, "file-contended", warn, "one file had to be repaired more than three times in a day", "none while it is repaired; two tools fight over it"},
    ProblemRow{key_exposed, "key-exposed", crit, "the private key was readable by others", "assume that the key is known: replace it"},
    ProblemRow{crl_missing, "crl-missing", crit, "a CA in the path has no CRL although CRLs are checked", "every client with a certificate is refused"},
    ProblemRow{crl_expiring, "crl-expiring", crit, "less than a quarter of the CRL's life is left", "every client with a certificate is refused when it ends"},
    ProblemRow{crl_expired, "crl-expired", crit, "the CRL's nextUpdate is past", "every client with a certificate is refused"},
    ProblemRow{crl_untrusted, "crl-untrusted", crit, "a CRL cannot be used: its form, signature, issuer or dates are wrong", "every client with a certificate is refused, or the next start fails"},
    ProblemRow{crl_not_loaded, "crl-not-loaded", crit, "the server has not loaded the CRL that is on disk", "revoked clients may still connect"},
    ProblemRow{crl_oversize, "crl-oversize", warn, "the CRL is so large that PostgreSQL pays for it at each connection", "slow reloads and connections"},
    ProblemRow{issuing_ca_expiring, "issuing-ca-expiring", crit, "the issuing CA's certificate ends soon; leaves are clamped to it", "none yet"},
    ProblemRow{root_ca_expiring, "root-ca-expiring", crit, "the root CA's certificate ends soon", "none yet"},
    ProblemRow{root_crl_expiring, "root-crl-expiring", crit, "the root's CRL ends soon", "every client with a certificate is refused when it ends"},
    ProblemRow{runway_short, "runway-short", crit, "the offline root is needed soon", "none yet"},
    ProblemRow{awaiting_signature, "awaiting-signature", warn, "a request waits for its signature", "none yet"},
    ProblemRow{issuer_failed, "issuer-failed", warn, "the issuer cannot sign", "none while the certificate in use lasts"},
    ProblemRow{server_unreachable, "server-unreachable", crit, "PostgreSQL does not answer", "depends: the server may be down for everybody"},
    ProblemRow{reload_not_applied, "reload-not-applied", crit, "PostgreSQL did not take the new certificate; it was rolled back", "none: the former certificate is served"},
    ProblemRow{restart_required, "restart-required", warn, "only a restart of PostgreSQL can apply a change", "the old certificate is served until then"},
    ProblemRow{privilege_missing, "privilege-missing", warn, "the daemon lacks a privilege that it needs", "none by itself"},
    ProblemRow{hba_plaintext, "hba-plaintext", warn, "pg_hba.conf lets clients in without TLS", "sessions may be plaintext"},
    ProblemRow{hba_clientcert_without_ca, "hba-clientcert-without-ca", crit, "pg_hba.conf asks for client certificates but ssl_ca_file is empty", "these clients are refused"},
    ProblemRow{hba_rejected, "hba-rejected", crit, "PostgreSQL did not take the changed pg_hba.conf", "the former rules stay in force"},
    ProblemRow{hba_auth_weak, "hba-auth-weak", crit, "pg_hba.conf uses trust, password or md5 over the network", "none by itself: others may get in, too"},
    ProblemRow{tls_version_low, "tls-version-low", warn, "ssl_min_protocol_version allows TLS below 1.2", "none by itself"},
    ProblemRow{settings_shadowed, "settings-shadowed", warn, "a setting is overridden in another file", "a change in the shadowed place has no effect"},
    ProblemRow{settings_weak, "settings-weak", warn, "an ssl setting is weaker than PostgreSQL's default, or a trap", "none by itself"},
    ProblemRow{sessions_plaintext, "sessions-plaintext", warn, "sessions over the network run without TLS", "their data can be read on the way"},
    ProblemRow{session_revoked, "session-revoked", crit, "a session's client certificate has been revoked since it connected", "none by itself"},
    ProblemRow{endpoint_unmanaged, "endpoint-unmanaged", warn, "an endpoint serves a certificate that pgcertd does not manage", "nobody renews it"},
    ProblemRow{takeover_needed, "takeover-needed", warn, "a working certificate of somebody else is in place; consent is awaited", "none: it stays as it is"},
    ProblemRow{reload_guarded, "reload-guarded", warn, "a reload would also apply changes that somebody is half-way through", "none by itself"},
    ProblemRow{client_cert_expiring, "client-cert-expiring", warn, "a client certificate that pgcertd issued ends soon, or ended in the last week", "this client cannot connect when it ends"},
    ProblemRow{config_invalid, "config-invalid", warn, "the configuration does not load, and the running one stays in force; or two of its clusters are one server", "none by itself"},
    ProblemRow{state_unwritable, "state-unwritable", crit, "the state directory cannot be written", "none while the certificate in use lasts"},
    ProblemRow{clock_jump, "clock-jump", warn, "the wall clock jumped; nothing is issued until it is stable", "none by itself"},
    ProblemRow{rotation_failing, "rotation-failing", crit, "rotations fail in a row", "none while the certificate in use lasts"},
    ProblemRow{rotation_paused, "rotation-paused", warn, "an operator paused rotation", "none while the certificate in use lasts"},
    ProblemRow{log_broken, "log-broken", crit, "the chain of events does not verify", "none by itself"},
};

}  // namespace

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::ok: return "ok";
    case Severity::warning: return "warning";
    case Severity::critical: return "critical";
    case Severity::unknown: return "unknown";
  }
  return "unknown";
}

Severity worse(Severity a, Severity b) noexcept {
  const auto rank = [](Severity s) {
    switch (s) {
      case Severity::ok: return 0;
      case Severity::warning: return 1;
      case Severity::unknown: return 2;
      case Severity::critical: return 3;
    }
    return 2;
  };
  return rank(a) >= rank(b) ? a : b;
}

std::span<const ProblemRow> problem_table() noexcept { return table; }

const ProblemRow& row(ProblemCode code) noexcept { return table[static_cast<std::size_t>(code)]; }

std::string_view to_string(ProblemCode code) noexcept { return row(code).name; }

std::optional<ProblemCode> parse_problem_code(std::string_view name) noexcept {
  for (const ProblemRow& r : table)
    if (r.name == name) return r.code;
  return std::nullopt;
}

Finding finding(ProblemCode code, std::string message, std::string remedy, std::string object) {
  return {code, row(code).severity, std::move(object), std::move(message), std::move(remedy)};
}

}  // namespace pgcertd
