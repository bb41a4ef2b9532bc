// CertFacts and CrlFacts out of OpenSSL's objects. For this room only.
#pragma once

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

Result<CertFacts> cert_facts(X509* x509);
// But for the fingerprint; where `crl` is a CRL's frame, without what its entries say.
Result<CrlFacts> crl_facts(X509_CRL* crl);

}  // namespace pgcertd::x509
