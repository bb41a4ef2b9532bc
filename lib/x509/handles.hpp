// What Certificate, Crl and PrivateKey hold. For this room only: no OpenSSL type leaves it.
#pragma once

#include <mutex>

#include "x509/certificate.hpp"
#include "x509/crl_walk.hpp"
#include "x509/digest_ahead.hpp"
#include "x509/openssl_ptr.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

struct Certificate::Handle {
  X509Ptr x509;
  CertFacts facts;
};

// Of a million entries an X509_CRL takes eight times the memory of their DER: it is made only of what could not be walked.
struct Crl::Handle {
  mutable CrlFacts facts;     // the fingerprint when they are first asked for: to hash a large CRL takes as long as to verify it
  mutable std::once_flag fingerprint;
  std::string der;
  CrlParts parts;             // views into der: a handle never moves
  SerialIndex index;
  X509CrlPtr frame;           // the CRL without its entries
  DigestAhead digest;         // of parts.tbs, with the signature's algorithm
  X509CrlPtr whole;           // instead of all that: where the walk could not read it
};

struct PrivateKey::Handle {
  std::shared_ptr<void> token{};   // what a key in a token needs as long as it is there; it goes after the key
  KeyPtr key;
  PublicKeyPtr public_key;         // its other half, encoded once
  const char* group = nullptr;     // its curve, where ec_key.hpp may encode it
  KeyType type = KeyType::other;
  std::string key_name;
  std::string spki_sha256;
};

// Facts are read out once; bytes whose times or numbers cannot be read are an error.
Result<Certificate> adopt(X509Ptr x509);
Result<PrivateKey> adopt(KeyPtr key);
Result<PrivateKey> adopt_from_token(KeyPtr key, std::shared_ptr<void> token);

}  // namespace pgcertd::x509
