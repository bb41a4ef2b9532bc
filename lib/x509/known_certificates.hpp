// parse_certificates() of bytes that are read again and again. What they say depends on nothing but them, and to read it from them is
// dear: the last few texts are remembered with what they said, but never one that holds more than certificates. Any thread.
#pragma once

#include <string_view>
#include <vector>

#include "x509/certificate.hpp"

namespace pgcertd::x509 {

Result<std::vector<Certificate>> known_certificates(std::string_view bytes, std::string_view name);
// Certificate::from_der() alike: as a handshake shows it, which is never taken for PEM.
Result<Certificate> known_certificate(std::string_view der);

}  // namespace pgcertd::x509
