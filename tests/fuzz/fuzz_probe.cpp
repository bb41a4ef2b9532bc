// Any bytes from whatever listens where PostgreSQL should: the probe ends by itself and never takes it for a proof.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mutex>
#include <thread>

#include "fuzz.hpp"
#include "postgres/probe.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

// Answers SSLRequest with the first byte, what TLS says next with the rest, and closes.
class Peer {
 public:
  Peer() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener_, 8) == 0);
    require(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    std::thread([this] { run(); }).detach();
  }
  void say(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    bytes_ = bytes;
  }
  [[nodiscard]] std::string endpoint() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void run() {
    for (;;) {
      const int fd = ::accept(listener_, nullptr, nullptr);
      if (fd < 0) continue;
      serve(fd);
      const linger at_once{.l_onoff = 1, .l_linger = 0};  // no TIME_WAIT: ports would run out
      (void)::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      ::close(fd);
    }
  }
  void serve(int fd) {
    std::string bytes;
    {
      const std::lock_guard lock(mutex_);
      bytes = bytes_;
    }
    char heard[4096];
    if (::recv(fd, heard, 8, MSG_WAITALL) != 8 || bytes.empty()) return;
    (void)::send(fd, bytes.data(), 1, MSG_NOSIGNAL);
    if (::recv(fd, heard, sizeof heard, 0) <= 0) return;
    (void)::send(fd, bytes.data() + 1, bytes.size() - 1, MSG_NOSIGNAL);
    (void)::shutdown(fd, SHUT_WR);
    while (::recv(fd, heard, sizeof heard, 0) > 0) {
    }
  }

  int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::string bytes_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Peer& peer = *new Peer;  // its thread outlives main()
  static postgres::HandshakeProbe probe({}, std::make_shared<const postgres::Cancel>());
  peer.say(fuzz::text_of(data, size));
  const auto seen = probe.probe(peer.endpoint(), from_unix(1767225600));
  require(seen.outcome != ProbeOutcome::served && seen.chain.empty() && !seen.detail.empty());
  require(seen.outcome != ProbeOutcome::timeout);
  fuzz::require_printable(seen.detail);
  return 0;
}
