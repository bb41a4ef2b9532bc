// Owners of libssl's handles. Private to this room's TLS.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace pgcertd::http {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* handle) const noexcept { Free(handle); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, Freed<SSL_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;

}  // namespace pgcertd::http
