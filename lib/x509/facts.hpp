// CertFacts and CrlFacts out of OpenSSL's objects. For this room only.
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

Result<CertFacts> cert_facts(X509* x509);
// Of a CRL with these bytes; where `crl` is that CRL's frame, without what its entries say.
Result<CrlFacts> crl_facts(X509_CRL* crl, std::string_view der);

}  // namespace pgcertd::x509
