// ServerTls: the certificate that listeners serve over TLS, and whose clients they let in. A handshake takes what stands here
// when it begins; connections that are open go on with what they began with. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pgcertd::http {

enum class TlsStep : std::uint8_t { done, wants_read, wants_write, over };   // over: the connection is of no more use

// The TLS of one accepted connection, whose descriptor does not block and outlives it. One thread.
class TlsSession {
 public:
  struct State;
  explicit TlsSession(std::unique_ptr<State> state);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  TlsStep handshake();
  // One record at most; with `size` of 16 KiB or more nothing that has arrived stays behind in the library.
  TlsStep read(char* to, std::size_t size, std::size_t& got);
  TlsStep write(const char* from, std::size_t size, std::size_t& put);
  // Says that nothing more follows, so that a client knows an end from a cut. Never waits.
  void close_notify();

 private:
  std::unique_ptr<State> state_;
};

// An error where no certificate is in it.
Result<void> check_client_ca(const std::string& pem);

class ServerTls {
 public:
  // Leaf first. With `client_ca_pem` clients must show a certificate that leads to one of those in it.
  Result<void> use(const std::string& chain_pem, const Secret& key_pem, const std::string& client_ca_pem);
  // Null before the first use().
  [[nodiscard]] std::unique_ptr<TlsSession> accept(int fd) const;

  struct Context;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Context> context_;
};

// What a client sees: a handshake with host and port as numbers; the leaf as DER. Waits for some seconds at most.
Result<std::string> shown_leaf(const std::string& endpoint);

}  // namespace pgcertd::http
