// PKCS#10 requests (RFC 2986): made with the key that waits in pending/, read by the CA.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

struct RequestFacts {
  std::string subject;
  std::string common_name;
  Names names;                    // asked for in extensionRequest
  std::string spki_sha256;
  KeyType key_type = KeyType::other;
  std::string key_name;
  bool signature_ok = false;      // proof of possession
  bool asks_for_ca = false;
};

// CN is the first name; a CN longer than 64 bytes (ub-common-name) is left out.
Result<std::string> make_request_pem(const PrivateKey& key, const Names& names);
// For a client's certificate: CN is the role.
Result<std::string> make_client_request_pem(const PrivateKey& key, std::string_view role);
// For an issuing CA's: asks for CA:TRUE, so that who signs sees what it is.
Result<std::string> make_ca_request_pem(const PrivateKey& key, std::string_view common_name);
Result<RequestFacts> parse_request(std::string_view bytes, std::string_view name);

}  // namespace pgcertd::x509
