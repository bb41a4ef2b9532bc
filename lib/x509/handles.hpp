// What Certificate, Crl and PrivateKey hold. For this room only: no OpenSSL type leaves it.
#pragma once

#include "x509/certificate.hpp"
#include "x509/openssl_ptr.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

struct Certificate::Handle {
  X509Ptr x509;
  CertFacts facts;
};

struct Crl::Handle {
  X509CrlPtr crl;
  CrlFacts facts;
};

struct PrivateKey::Handle {
  KeyPtr key;
  KeyType type = KeyType::other;
  std::string key_name;
  std::string spki_sha256;
};

// Facts are read out once; bytes whose times or numbers cannot be read are an error.
Result<Certificate> adopt(X509Ptr x509);
Result<Crl> adopt(X509CrlPtr crl);
Result<PrivateKey> adopt(KeyPtr key);

}  // namespace pgcertd::x509
