// Owners of libssl's handles, for the probe.
#pragma once

#include <openssl/ssl.h>

#include <memory>

namespace pgcertd::postgres {

struct SslContextFree {
  void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
};
struct SslFree {
  void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
};

using SslContextPtr = std::unique_ptr<SSL_CTX, SslContextFree>;
using SslPtr = std::unique_ptr<SSL, SslFree>;

}  // namespace pgcertd::postgres
