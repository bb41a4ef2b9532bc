#include "core/sslmode.hpp"

namespace pgcertd {
namespace {

constexpr std::string_view nothing_answers = "nothing that speaks PostgreSQL answers";
constexpr std::string_view no_plaintext = "the server takes no plaintext connection";
constexpr std::string_view no_tls = "the server offers no working TLS";
constexpr std::string_view tls_not_admitted = "pg_hba.conf refuses this user over TLS";

ModeVerdict refused(SslMode mode, std::string why) {
  return {.mode = mode, .connects = false, .encrypted = false, .man_in_the_middle_safe = false, .why = std::move(why)};
}

ModeVerdict plaintext(SslMode mode, std::string why) {
  return {.mode = mode, .connects = true, .encrypted = false, .man_in_the_middle_safe = false, .why = std::move(why)};
}

ModeVerdict encrypted(SslMode mode, std::string why) {
  return {.mode = mode, .connects = true, .encrypted = true, .man_in_the_middle_safe = false, .why = std::move(why)};
}

std::string untrusted(const ClientSide& client) {
  return "the served chain does not verify" + (client.chain_error.empty() ? std::string{} : ": " + client.chain_error);
}

std::string no_working_tls(const ServerSide& server) {
  return server.tls_error.empty() ? std::string(no_tls) : server.tls_error;
}

bool chain_is_refused(const ServerSide& server, const ClientSide& client) {
  return server.tls && client.has_root && !client.chain_ok;
}

// Why no session over TLS comes about below verify-ca; empty: it does. Where a root file exists, libpq verifies in every mode
// that uses TLS, not only from verify-ca on.
std::string tls_fault(const ServerSide& server, const ClientSide& client) {
  if (!server.tls) return no_working_tls(server);
  if (chain_is_refused(server, client)) return untrusted(client);
  if (server.tls_allowed) return {};
  return server.tls_refusal.empty() ? std::string(tls_not_admitted) : server.tls_refusal;
}

std::string unverified_text(const ClientSide& client) {
  return client.has_root ? "the chain is verified, the server's name is not: any server with a certificate of that CA can stand in between"
                         : "the server is not authenticated: anybody can stand in between";
}

ModeVerdict disable(const ServerSide& server, const ClientSide&) {
  if (!server.plaintext_allowed) return refused(SslMode::disable, std::string(no_plaintext));
  return plaintext(SslMode::disable, "everything is readable on the network");
}

// Plaintext first; TLS only where the server refuses that.
ModeVerdict allow(const ServerSide& server, const ClientSide& client) {
  if (server.plaintext_allowed) return plaintext(SslMode::allow, "plaintext is tried first, and the server takes it");
  const std::string fault = tls_fault(server, client);
  if (!fault.empty()) return refused(SslMode::allow, std::string(no_plaintext) + ", and " + fault);
  return encrypted(SslMode::allow, unverified_text(client));
}

// TLS first; a server without it, or a chain that does not verify, means plaintext without a word.
ModeVerdict prefer(const ServerSide& server, const ClientSide& client) {
  const std::string fault = tls_fault(server, client);
  if (fault.empty())
    return encrypted(SslMode::prefer, unverified_text(client) + (server.plaintext_allowed ? ", or make the client fall back to plaintext" : ""));
  if (server.breaks_off && server.tls && !chain_is_refused(server, client)) return refused(SslMode::prefer, fault);
  if (!server.plaintext_allowed) return refused(SslMode::prefer, fault + ", and " + std::string(no_plaintext));
  return plaintext(SslMode::prefer, "falls back to plaintext in silence: " + fault);
}

ModeVerdict require(const ServerSide& server, const ClientSide& client) {
  const std::string fault = tls_fault(server, client);
  if (fault.empty()) return encrypted(SslMode::require, unverified_text(client));
  return refused(SslMode::require, fault + (chain_is_refused(server, client) ? " (a root file makes require verify as verify-ca)" : ""));
}

std::string verify_fault(const ServerSide& server, const ClientSide& client) {
  if (!client.has_root) return "the client has no root certificate file (sslrootcert)";
  return tls_fault(server, client);
}

ModeVerdict verify_ca(const ServerSide& server, const ClientSide& client) {
  std::string fault = verify_fault(server, client);
  if (!fault.empty()) return refused(SslMode::verify_ca, std::move(fault));
  return encrypted(SslMode::verify_ca, unverified_text(client));
}

ModeVerdict verify_full(const ServerSide& server, const ClientSide& client) {
  std::string fault = verify_fault(server, client);
  if (!fault.empty()) return refused(SslMode::verify_full, std::move(fault));
  if (!client.name_ok)
    return refused(SslMode::verify_full,
                   "the certificate does not name the host" + (client.name_error.empty() ? std::string{} : ": " + client.name_error));
  return {.mode = SslMode::verify_full, .connects = true, .encrypted = true, .man_in_the_middle_safe = true, .why = {}};
}

using JudgeOfMode = ModeVerdict (*)(const ServerSide&, const ClientSide&);
constexpr std::array<JudgeOfMode, 6> judges{disable, allow, prefer, require, verify_ca, verify_full};

}  // namespace

std::string_view to_string(SslMode mode) noexcept {
  switch (mode) {
    case SslMode::disable: return "disable";
    case SslMode::allow: return "allow";
    case SslMode::prefer: return "prefer";
    case SslMode::require: return "require";
    case SslMode::verify_ca: return "verify-ca";
    case SslMode::verify_full: return "verify-full";
  }
  return "unknown";
}

std::string tls_version_fault(std::string_view version) {
  if (version != "TLSv1.1" && version != "TLSv1" && version != "SSLv3") return {};
  return "the server speaks " + std::string(version) + " at most, and libpq asks for TLSv1.2 (ssl_min_protocol_version of the client)";
}

std::array<ModeVerdict, 6> sslmode_matrix(const ServerSide& server, const ClientSide& client) {
  std::array<ModeVerdict, 6> out;
  for (std::size_t i = 0; i < judges.size(); ++i)
    out[i] = server.answers ? judges[i](server, client) : refused(static_cast<SslMode>(i), std::string(nothing_answers));
  return out;
}

}  // namespace pgcertd
