// Why a server lets a client in over TLS or not, told by cause: libpq's own text is the same for several ("trust"
// authentication failed), and some causes stand in the server's log alone. Pure; after PostgreSQL's auth.c
// (ClientAuthentication, CheckCertAuth) and the alerts that OpenSSL sends for a certificate it refuses (RFC 8446, 6.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/cert.hpp"

namespace pgcertd {

// How an attempt to log in over TLS ended.
struct LoginEnd {
  enum class Kind : std::uint8_t {
    unknown,                 // the connection failed before the server judged anybody
    admitted,                // or asked for a password
    refused_by_hba,
    certificate_wanted,      // connection requires a valid client certificate
    authentication_failed,   // clientcert=verify-full or the method cert: the certificate does not name the role
    alert,                   // the server broke the handshake off
    own_side,                // the client could not use its own files
  };
  Kind kind = Kind::unknown;
  std::string text;          // one printable line
};

struct ClientAuthSeen {
  LoginEnd end;
  std::string role;
  std::vector<std::string> trusted;   // subjects that the server names in its CertificateRequest; empty: it asks for none
  std::vector<CertFacts> sent;        // the client's certificate file, leaf first; empty: none
};

struct ClientAuthVerdict {
  std::string cause;         // a stable word: "admitted", "no-certificate", "name-mismatch", …
  std::string why;           // empty where admitted
  std::string remedy;
};

// nullopt: nothing was learnt.
std::optional<ClientAuthVerdict> explain_client_auth(const ClientAuthSeen& seen, TimePoint now);

}  // namespace pgcertd
