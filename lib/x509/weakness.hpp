// Strength of certificates from their facts alone. Pure; for this room only.
#pragma once

#include <string>
#include <vector>

#include "core/cert.hpp"

namespace pgcertd::x509 {

// Empty, or why the key is below security level 2 or on a curve that TLS peers do not take ("rsa-1024 key: ...").
std::string weak_key(const std::string& key_name);
// As weakness() of verify.hpp.
std::string weakness(const std::vector<CertFacts>& chain);

}  // namespace pgcertd::x509
