#pragma once

#include <string>
#include <string_view>

namespace pgcertd::x509 {

// SHA-256 in hex, lower case.
std::string sha256_of(std::string_view bytes);

}  // namespace pgcertd::x509
