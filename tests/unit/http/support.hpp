// A raw client, so that tests can send what no library would; and a Source over values.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>

#include "base/unique_fd.hpp"
#include "fake/sample_snapshot.hpp"
#include "http/routes.hpp"

namespace pgcertd::http::test {

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  explicit Client(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::memcpy(to.sun_path, path.data(), std::min(path.size(), sizeof to.sun_path - 1));
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  [[nodiscard]] bool connected() const { return connected_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  bool send(std::string_view bytes) {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  void finish() { (void)::shutdown(fd_.get(), SHUT_WR); }

  // One response; HEAD and 304 have no body. Empty: closed, or nothing came within `limit`.
  std::string response(bool body = true, std::chrono::milliseconds limit = std::chrono::seconds{5}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!whole(body))
      if (!more(until)) break;
    const std::size_t size = whole_size(body);
    std::string out = in_.substr(0, size);
    in_.erase(0, size);
    return out;
  }
  // True when the peer has closed within `limit`; what it sent before is thrown away.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds{5}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (more(until)) in_.clear();
    return eof_;
  }

 private:
  bool more(std::chrono::steady_clock::time_point until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd p{fd_.get(), POLLIN, 0};
    if (eof_ || left <= 0 || ::poll(&p, 1, static_cast<int>(left)) <= 0) return false;
    char buffer[65536];
    const ssize_t n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n <= 0) eof_ = true;
    if (n > 0) in_.append(buffer, static_cast<std::size_t>(n));
    return n > 0;
  }
  [[nodiscard]] std::size_t whole_size(bool body) const {
    const std::size_t end = in_.find("\r\n\r\n");
    if (end == std::string::npos) return in_.size();
    const std::size_t at = in_.find("Content-Length: ");
    if (!body || at > end) return end + 4;
    return end + 4 + std::stoul(in_.substr(at + 16));
  }
  [[nodiscard]] bool whole(bool body) const { return in_.find("\r\n\r\n") != std::string::npos && in_.size() >= whole_size(body); }

  UniqueFd fd_;
  bool connected_ = false, eof_ = false;
  std::string in_;
};

inline int status_of(const std::string& response) { return response.size() < 12 ? 0 : std::stoi(response.substr(9, 3)); }
inline std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}
inline std::string header_of(const std::string& response, const std::string& name) {
  const std::size_t at = response.find("\r\n" + name + ": ");
  if (at == std::string::npos || at > response.find("\r\n\r\n")) return {};
  const std::size_t from = at + name.size() + 4;
  return response.substr(from, response.find("\r\n", from) - from);
}
inline std::string get(const std::string& target, const std::string& headers = {}, const std::string& method = "GET") {
  return method + " " + target + " HTTP/1.1\r\nHost: localhost\r\n" + headers + "\r\n";
}

// What the callbacks answer; change it before requests, not during them.
struct World {
  SnapshotPtr snapshot = std::make_shared<const Snapshot>(sample::healthy());
  bool alive = true;
  bool broken = false;      // callbacks throw
  std::atomic<std::int64_t> newest{std::numeric_limits<std::int64_t>::max()};   // no event has a higher id; may change during requests

  Source source() {
    return {.snapshot =
                [this] {
                  if (broken) throw std::runtime_error("secret detail");
                  return snapshot;
                },
            .events =
                [this](std::int64_t since, std::size_t) {
                  if (since >= newest) return std::vector<Event>{};
                  return std::vector<Event>{{since + 1, sample::now, "main", "rotation-proved", "proved", {}}};
                },
            .newest_event = [] { return std::int64_t{50}; },
            .alive = [this] { return alive; },
            .process = [] { return status::ProcessFacts{}; },
            .pki = [](const std::string& name) -> std::optional<std::string> {
              if (name == "root.crt") return "-----BEGIN CERTIFICATE-----\n";
              if (name == "root.crl" || name == "local.crl") return std::string("\x30\x00\xff", 3);
              if (name == "big.crl")
                return std::string(8 << 20, 'x');  // more than the kernel keeps for a client that does not read
              return std::nullopt;
            },
            .now = [] { return sample::now; }};
  }
  std::shared_ptr<Routes> routes() {
    return std::make_shared<Routes>(source(),
                                    status::BuildInfo{.version = "0.1.0", .revision = "", .compiler = "", .boot_id = "b00t"});
  }
};

}  // namespace pgcertd::http::test
