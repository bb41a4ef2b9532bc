#include "x509/digest.hpp"

#include "x509/asn1.hpp"

namespace pgcertd::x509 {

std::string sha256_of(std::string_view bytes) { return sha256_hex(bytes); }

}  // namespace pgcertd::x509
