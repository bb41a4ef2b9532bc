// Private keys in a token (smart card, HSM), named by a PKCS#11 URI (RFC 7512). The key never leaves the token: what is held here is
// a handle that signs. The engine is loaded when the first one is asked for, not before.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

// Begins with "pkcs11:".
bool is_token_uri(std::string_view text) noexcept;

// One login with `pin`, never a second one and never a prompt. The URI's module-path names the module, else the environment's
// PKCS11_MODULE_PATH, else p11-kit's. Errc::invalid: a URI that cannot be, or that holds a PIN; Errc::permission: the token refused
// the PIN, which must not be tried again; Errc::not_found: no engine, module, token or key.
Result<PrivateKey> open_token_key(std::string_view uri, const Secret& pin);

}  // namespace pgcertd::x509
