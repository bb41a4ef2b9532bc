// A private key that stays in a token, named by a pkcs11: URI (RFC 7512) and used through libp11's engine, which is loaded when
// the first such URI is opened. Never prompts. A PIN that a token refused is not tried on it again by this process. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

// What a key file holds instead of PEM.
bool is_pkcs11_uri(std::string_view bytes);

struct Pkcs11Uri {
  std::string path;          // "pkcs11:token=…;object=…;type=private": what is looked for; holds no secret
  std::string token;         // those of its attributes that name the token
  std::string module_path;   // percent-decoded; empty: none is named
};
// One line. It must name a token (token or serial) and a key (object or id). Errc::invalid: a PIN or where to read one stands in
// it, or an attribute that would not be obeyed; the error does not repeat the value.
Result<Pkcs11Uri> parse_pkcs11_uri(std::string_view bytes, std::string_view name);

// Logs in once at most. Errc::crypto: the PIN was refused, now or before; Errc::refused: the module that the URI names is none of
// the system's; Errc::not_found: engine, module, token or key are not there. `name` is the file that the URI stands in.
// The module is PKCS#11's own process-wide state: while a key of one module is open, keys of others are refused (Errc::busy).
Result<PrivateKey> open_pkcs11_key(std::string_view uri, std::string_view name, const Secret& pin);

// PINs that were refused may be tried once more: an operator said so.
void forget_refused_pins();

}  // namespace pgcertd::x509
