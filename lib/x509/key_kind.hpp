// What a public key is: its type among those that pgcertd makes, and its name for people. For this room only.
#pragma once

#include <string>

#include "core/cert.hpp"
#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

struct KeyKind {
  KeyType type = KeyType::other;
  std::string name = "unknown";   // "ecdsa-p256", "rsa-1024", "secp256k1"
};
KeyKind key_kind(const EVP_PKEY* key);

// The digest to sign with: null for EdDSA, else at least as strong as the key's curve.
const EVP_MD* signing_digest(const EVP_PKEY* key);

}  // namespace pgcertd::x509
