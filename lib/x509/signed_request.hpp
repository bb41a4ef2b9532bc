// A renewal's request (PKCS#10) that the key of the certificate in use has signed too (CMS, RFC 5652), so that whoever signs it
// sees that it comes from the host that has the certificate. Both stand in one PEM file: the request, then the CMS over its DER.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

// PEM ("CMS"), with the chain in it. `chain`: leaf first, `key` is the leaf's.
Result<std::string> sign_request(std::string_view request_pem, const std::vector<Certificate>& chain, const PrivateKey& key);

struct RequestProof {
  CertFacts signer;             // the leaf that signed it
};
// nullopt: the file carries no CMS. An error: it carries one that does not verify under `roots` at `at` with purpose sslserver,
// or that is about another request.
Result<std::optional<RequestProof>> verify_request_proof(std::string_view bytes, std::string_view name, const std::vector<Certificate>& roots, TimePoint at);

}  // namespace pgcertd::x509
