#include "postgres/wire.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace pgcertd::postgres {

WireEnd Wire::wait(short events) {
  switch (wait_for(fd_.get(), events, deadline_, cancel_)) {
    case Wake::ready: return WireEnd::ok;
    case Wake::cancelled: return WireEnd::cancelled;
    case Wake::timeout: break;
  }
  return WireEnd::timeout;
}

WireEnd Wire::connect_one(const Address& address) {
  fd_.reset(socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd_) {
    errno_ = errno;
    return WireEnd::failed;
  }
  const int on = 1;
  (void)setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);   // only a matter of speed
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.length) == 0) return WireEnd::ok;
  errno_ = errno;
  if (errno_ != EINPROGRESS) return WireEnd::failed;
  if (const auto end = wait(POLLOUT); end != WireEnd::ok) return end;
  socklen_t length = sizeof errno_;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &errno_, &length) != 0) errno_ = errno;
  return errno_ == 0 ? WireEnd::ok : WireEnd::failed;
}

WireEnd Wire::connect(const std::vector<Address>& addresses) {
  WireEnd end = WireEnd::failed;
  for (const auto& address : addresses) {
    end = connect_one(address);
    if (end != WireEnd::failed) break;
  }
  return end;
}

WireEnd Wire::send(std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    errno_ = errno;
    if (errno_ == EINTR) continue;
    if (errno_ != EAGAIN) return WireEnd::failed;
    if (const auto end = wait(POLLOUT); end != WireEnd::ok) return end;
  }
  return WireEnd::ok;
}

WireEnd Wire::receive(std::span<char> room, std::size_t& got) {
  for (;;) {
    const ssize_t bytes = recv(fd_.get(), room.data(), room.size(), 0);
    if (bytes == 0) return WireEnd::closed;
    if (bytes > 0) {
      got = static_cast<std::size_t>(bytes);
      return WireEnd::ok;
    }
    errno_ = errno;
    if (errno_ == EINTR) continue;
    if (errno_ != EAGAIN) return WireEnd::failed;
    if (const auto end = wait(POLLIN); end != WireEnd::ok) return end;
  }
}

bool Wire::pending() const {
  char byte = 0;
  return recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

Goodbye Wire::say_goodbye(Duration patience) {
  if (fd_) (void)shutdown(fd_.get(), SHUT_WR);   // fails when the peer is gone already
  return {std::move(fd_), std::min(deadline_, deadline_in(patience))};
}

bool Goodbye::over() {
  char rest[4096];
  // A peer that sends without end is not listened to for ever.
  for (int reads = 0; fd_ && reads < 64; ++reads) {
    const ssize_t bytes = recv(fd_.get(), rest, sizeof rest, MSG_DONTWAIT);
    if (bytes > 0 || (bytes < 0 && errno == EINTR)) continue;
    if (bytes < 0 && errno == EAGAIN && std::chrono::steady_clock::now() < deadline_) return false;
    break;
  }
  fd_.reset();
  return true;
}

void Goodbye::wait(const Cancel& cancel) {
  while (!over())
    if (wait_for(fd_.get(), POLLIN, deadline_, cancel) == Wake::cancelled) return;
}

}  // namespace pgcertd::postgres
