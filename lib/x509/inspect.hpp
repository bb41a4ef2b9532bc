// `pgcertctl inspect`: what some bytes are (certificate, chain, key, request, CRL, PKCS#12; PEM or DER) and what
// PostgreSQL would say of them as one of its TLS files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "core/cert.hpp"
#include "x509/request.hpp"

namespace pgcertd::x509 {

struct Inspection {
  enum class Kind : std::uint8_t { certificate, chain, private_key, encrypted_key, token_key, request, crl, pkcs12, unknown };
  Kind kind = Kind::unknown;
  bool pem = true;                          // PostgreSQL loads PEM only
  std::vector<CertFacts> certificates;
  std::vector<CrlFacts> crls;
  std::vector<RequestFacts> requests;
  std::string key_name, key_spki_sha256;    // of a private key that could be read
  bool holds_private_key = false;           // also beside a certificate
  bool sealed = false;                      // PKCS#12 or a key whose passphrase was not given
  std::vector<std::string> findings;        // what PostgreSQL or a client would object to; empty: fine
};
std::string_view to_string(Inspection::Kind kind) noexcept;

// `passphrase` may be null: what it would open stays sealed.
Inspection inspect(std::string_view bytes, TimePoint now, const Secret* passphrase = nullptr);

}  // namespace pgcertd::x509
