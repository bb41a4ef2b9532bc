// A CA's private key, and the number of its CRL, out of their files. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::ca {

// `passphrase` may be null; `where_from` is the remedy when one is needed.
Result<x509::PrivateKey> read_key(const std::string& path, const Secret* passphrase, const std::string& where_from);
// A CA's key that stays in a token; `pin` may be null, `name` is where the URI stands. Errc::refused: an EdDSA key.
Result<x509::PrivateKey> open_in_token(std::string_view uri, const std::string& name, const Secret* pin);
// Ours are numbers that SQLite can hold; `path` is for the error.
Result<std::uint64_t> number_of(const x509::Crl& crl, const std::string& path);

}  // namespace pgcertd::ca
