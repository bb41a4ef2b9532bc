// Encrypted PKCS#8 (RFC 5958, RFC 8018). For this room only.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

// True for an AlgorithmIdentifier of a password-based scheme: tells EncryptedPrivateKeyInfo from other structures.
bool is_password_based(const X509_SIG* sealed);
// A hostile file may name 2^31 iterations; such a key is refused before any work is done.
Result<KeyPtr> unseal(const X509_SIG* sealed, const Secret& passphrase, std::string_view name);
Result<Secret> seal_to_pem(EVP_PKEY* key, const Secret& passphrase);

}  // namespace pgcertd::x509
