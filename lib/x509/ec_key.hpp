// A key on a named curve, put together by hand: OpenSSL 3.0 looks for an encoder among all that there are, which takes longer than to make
// the key. Only for keys made here: one that was read may have its curve's parameters written out instead of the name. `group` is the
// curve's name as NIST has it. nullptr: OpenSSL's errors say why. For this room only.
#pragma once

#include "x509/openssl_ptr.hpp"

namespace pgcertd::x509 {

// RFC 5480.
PublicKeyPtr encode_public(EVP_PKEY* key, const char* group);

// ECPrivateKey (RFC 5915) in a PrivateKeyInfo (RFC 5208), as OpenSSL writes it. Its bytes are wiped when it goes.
Pkcs8InfoPtr encode_private(EVP_PKEY* key, const char* group);

}  // namespace pgcertd::x509
