// Port to key making: a new private key with its PKCS#10 request. Slow for RSA; may be cancelled by the stop of the daemon.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/cert.hpp"

namespace pgcertd::ports {

struct NewKey {
  Secret key_pem;                 // PKCS#8
  std::string request_pem;        // PKCS#10 with subject CN and subjectAltName
  std::string spki_sha256;
};

class Keys {
 public:
  virtual ~Keys() = default;
  virtual Result<NewKey> make(KeyType type, const Names& names) = 0;
};

}  // namespace pgcertd::ports
