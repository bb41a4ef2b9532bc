// FakePeer: a TCP listener on loopback that answers each connection as a script says, for what is not PostgreSQL or not well.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "base/unique_fd.hpp"

namespace pgcertd::testing {

class FakePeer {
 public:
  // Called for each connection, one after the other; the socket is closed when it returns.
  using Script = std::function<void(FakePeer& peer, int fd)>;
  explicit FakePeer(Script script);
  FakePeer(const FakePeer&) = delete;
  FakePeer& operator=(const FakePeer&) = delete;
  ~FakePeer();

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

  // --- for scripts ---
  static std::string read_some(int fd);                       // what comes first; "" when the peer closed
  static void send(int fd, const std::string& bytes);
  void hang(int fd);                                          // until the peer closes or the test ends
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  void serve();
  Script script_;
  UniqueFd listener_, stop_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// An ErrorResponse of PostgreSQL's protocol.
std::string error_response(const std::string& sqlstate, const std::string& message);

}  // namespace pgcertd::testing
