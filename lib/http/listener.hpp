// PublicListener: the read-only HTTP of one configured address. GET and HEAD only, no bodies, no ranges; a Host header
// that is not ours is refused (DNS rebinding), but for /pki. start() and stop() from one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/routes.hpp"
#include "http/server_loop.hpp"

namespace pgcertd::http {

struct ListenOptions {
  std::string address = "127.0.0.1:9847";      // "host:port" or "[v6]:port"; port 0 takes a free one
  std::vector<std::string> hosts{};            // names besides the address that a Host header may carry
  LoopOptions loop{};
  std::shared_ptr<const ServerTls> tls{};      // null: plain HTTP
};

class PublicListener {
 public:
  PublicListener(ListenOptions options, std::shared_ptr<Routes> routes);
  ~PublicListener();
  PublicListener(const PublicListener&) = delete;
  PublicListener& operator=(const PublicListener&) = delete;

  Result<void> start();
  void stop();
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  // Where this host itself reaches it, in numbers; of a wildcard the loopback address.
  [[nodiscard]] const std::string& endpoint() const noexcept { return endpoint_; }

 private:
  [[nodiscard]] bool host_allowed(const Head& head, const Peer& peer) const;
  Answer respond(const Head& head, const std::string& request, const Peer& peer, Turn turn);

  const ListenOptions options_;
  const std::shared_ptr<Routes> routes_;
  std::vector<std::string> hosts_;             // bare
  std::uint16_t port_ = 0;
  std::string endpoint_;
  Engine engine_;
  std::unique_ptr<ServerLoop> loop_;           // last: it ends before what it uses
};

}  // namespace pgcertd::http
