// What a server's ssl_ciphers and ssl_dh_params_file let in, as OpenSSL understands them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcertd::x509 {

// Of an OpenSSL cipher list: suites of TLS 1.2 and below without authentication or encryption, below 112 bits, or with RC4,
// DES or MD5. Empty too where the list means nothing to this library. Security level 0 tells each that the list names.
std::vector<std::string> weak_ciphers(const std::string& list);

// Bits of the first DH parameters in PEM; nullopt: none.
std::optional<int> dh_bits(std::string_view pem);

}  // namespace pgcertd::x509
