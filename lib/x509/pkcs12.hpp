// PKCS#12 files (RFC 7292), as applications and browsers take a client's key and certificate. Pure but for OpenSSL's randomness.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

// With key and chain, leaf first: PBES2 with AES-256-CBC, MAC with SHA-256.
Result<Secret> to_pkcs12(const PrivateKey& key, const std::vector<Certificate>& chain, const std::string& friendly_name, const Secret& passphrase);

struct Pkcs12Content {
  std::optional<PrivateKey> key;
  std::vector<Certificate> certificates;   // the key's first
};
// `name` is for errors. Errc::parse: no PKCS#12; Errc::crypto: another passphrase, or damaged.
Result<Pkcs12Content> read_pkcs12(std::string_view bytes, std::string_view name, const Secret& passphrase);

struct OpenedPkcs12 {
  PrivateKey key;
  Certificate certificate;             // the key's
};
// The same, of a file that must hold both.
Result<OpenedPkcs12> open_pkcs12(std::string_view bytes, std::string_view name, const Secret& passphrase);

}  // namespace pgcertd::x509
