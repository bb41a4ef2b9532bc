// The six sslmode levels of libpq: given what a server serves and what a client trusts, would it connect, and what
// protects the connection. Pure; after libpq's fe-connect.c, fe-secure-openssl.c and fe-secure-common.c.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgcertd {

enum class SslMode : std::uint8_t { disable, allow, prefer, require, verify_ca, verify_full };
std::string_view to_string(SslMode mode) noexcept;           // "verify-full"

struct ClientSide {
  bool has_root = false;          // sslrootcert exists: then require verifies as verify-ca (libpq's compatibility rule)
  bool chain_ok = false;          // the served chain verifies under it
  std::string chain_error;
  bool name_ok = false;           // verify_peer_name_matches_certificate
  std::string name_error;
};

struct ServerSide {
  bool answers = false;           // something speaks PostgreSQL there
  bool tls = false;               // it answered 'S' and the handshake of a libpq with its defaults goes through
  std::string tls_error{};        // why not, when there is more to say than that it is not offered
  // What pg_hba.conf lets in. Unknown without a user to ask for; assumed.
  bool plaintext_allowed = true;
  bool tls_allowed = true;
  std::string tls_refusal{};      // why not, where it is not a row of pg_hba.conf: the client's certificate
  bool breaks_off = false;        // it refuses after the handshake and without a message (TLS 1.3): libpq does not go on in plaintext
};

struct ModeVerdict {
  SslMode mode = SslMode::disable;
  bool connects = false;
  bool encrypted = false;             // protects from eavesdropping
  bool man_in_the_middle_safe = false;
  std::string why;                    // why not, or what is missing
};

// Why a libpq of today refuses a server that speaks this TLS version at most ("TLSv1.1"), or empty: its
// ssl_min_protocol_version is TLSv1.2 (since PostgreSQL 13).
std::string tls_version_fault(std::string_view version);

std::array<ModeVerdict, 6> sslmode_matrix(const ServerSide& server, const ClientSide& client);

}  // namespace pgcertd
