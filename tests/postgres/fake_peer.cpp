#include "postgres/fake_peer.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdexcept>

namespace pgcertd::testing {

FakePeer::FakePeer(Script script)
    : script_(std::move(script)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), stop_(eventfd(0, EFD_CLOEXEC)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (bind(listener_.get(), generic, length) != 0 || listen(listener_.get(), 16) != 0 || getsockname(listener_.get(), generic, &length) != 0)
    throw std::runtime_error("FakePeer: cannot listen");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakePeer::~FakePeer() {
  stopping_ = true;
  const std::uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);   // the counter is at 0: it cannot fail
  thread_.join();
}

void FakePeer::serve() {
  for (;;) {
    pollfd polled[2] = {{listener_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(polled, 2, -1) < 0) continue;
    if (polled[1].revents != 0) return;
    const UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (fd) script_(*this, fd.get());
  }
}

std::string FakePeer::read_some(int fd) {
  char buffer[4096];
  const ssize_t got = recv(fd, buffer, sizeof buffer, 0);
  return {buffer, static_cast<std::size_t>(got > 0 ? got : 0)};
}

void FakePeer::send(int fd, const std::string& bytes) { (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

void FakePeer::hang(int fd) {
  while (!stopping_) {
    pollfd polled[2] = {{fd, POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(polled, 2, -1) > 0 && polled[0].revents != 0 && read_some(fd).empty()) return;
  }
}

std::string error_response(const std::string& sqlstate, const std::string& message) {
  const std::string nul(1, '\0');
  const std::string body = "SFATAL" + nul + "VFATAL" + nul + "C" + sqlstate + nul + "M" + message + nul + nul;
  const auto length = static_cast<std::uint32_t>(body.size() + 4);
  std::string out = "E";
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>((length >> shift) & 0xff);
  return out + body;
}

}  // namespace pgcertd::testing
