// The client's side of a listener's proof.
#include <fmt/format.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "base/unique_fd.hpp"
#include "http/message.hpp"
#include "http/tls.hpp"
#include "http/tls_ptr.hpp"

namespace pgcertd::http {
namespace {

constexpr timeval patience{5, 0};   // of each read and write

Result<UniqueFd> connected(const std::string& endpoint) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  const std::string port = endpoint.substr(endpoint.rfind(':') + 1);
  if (const int fault = ::getaddrinfo(bare_host(endpoint).c_str(), port.c_str(), &hints, &found); fault != 0)
    return fail(Errc::invalid, fmt::format("getaddrinfo \"{}\": {}", endpoint, ::gai_strerror(fault)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> list(found, ::freeaddrinfo);
  UniqueFd fd(::socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail(errno_error("socket", endpoint, errno));
  for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO})
    if (::setsockopt(fd.get(), SOL_SOCKET, option, &patience, sizeof patience) != 0) return fail(errno_error("setsockopt", endpoint, errno));
  if (::connect(fd.get(), list->ai_addr, list->ai_addrlen) != 0) return fail(errno_error("connect", endpoint, errno));
  return fd;
}

std::string der_of(const X509* certificate) {
  std::string der(static_cast<std::size_t>(std::max(i2d_X509(certificate, nullptr), 0)), '\0');
  auto* at = reinterpret_cast<unsigned char*>(der.data());
  if (!der.empty()) (void)i2d_X509(certificate, &at);
  return der;
}

}  // namespace

// Without a certificate of its own a listener with client_ca refuses it, but only after it has shown its leaf.
Result<std::string> shown_leaf(const std::string& endpoint) {
  PGCERTD_TRY(const UniqueFd fd, connected(endpoint));
  ERR_clear_error();
  const SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  const SslPtr ssl(context ? SSL_new(context.get()) : nullptr);
  if (!ssl || SSL_set_fd(ssl.get(), fd.get()) != 1) return fail(Errc::io, "no TLS handshake can be made");
  const int result = SSL_connect(ssl.get());
  const X509* const leaf = SSL_get0_peer_certificate(ssl.get());
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  if (!leaf) return fail(Errc::io, fmt::format("the handshake with {} showed no certificate: {}", endpoint, reason ? reason : result == 0 ? "it was closed" : "no answer"));
  (void)SSL_shutdown(ssl.get());
  return der_of(leaf);
}

}  // namespace pgcertd::http
