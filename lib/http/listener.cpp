#include "http/listener.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pgcertd::http {
namespace {

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  ~AddressList() {
    if (first) ::freeaddrinfo(first);
  }
};

Error listen_error(std::string_view call, const std::string& address, int saved_errno) {
  Error error = errno_error(call, address, saved_errno);
  if (saved_errno == EADDRINUSE) error.remedy = "stop what listens there, or choose another address in [http] listen";
  if (saved_errno == EADDRNOTAVAIL) error.remedy = "this host has no such address: correct [http] listen";
  return error;
}

// SO_REUSEADDR alone: SO_REUSEPORT would let a second process share the port in silence.
Result<UniqueFd> bind_one(const addrinfo& at, const std::string& address) {
  UniqueFd fd(::socket(at.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at.ai_protocol));
  if (!fd) return fail(listen_error("socket", address, errno));
  const int on = 1;
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return fail(listen_error("setsockopt", address, errno));
  if (at.ai_family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
    return fail(listen_error("setsockopt", address, errno));
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0) return fail(listen_error("bind", address, errno));
  if (::listen(fd.get(), 128) != 0) return fail(listen_error("listen", address, errno));
  return fd;
}

// "host:port" or "[v6]:port": a bare IPv6 address with a port would be ambiguous.
bool has_host_and_port(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == address.size()) return false;
  return address.front() == '[' ? address[colon - 1] == ']' && colon > 2 : address.find(':') == colon;
}

Result<UniqueFd> bind_address(const std::string& address) {
  if (!has_host_and_port(address))
    return fail(Errc::invalid, fmt::format("\"{}\" is no address to listen at", address),
                "write it like 127.0.0.1:9847 or [::1]:9847");
  const std::string host = bare_host(address), port = address.substr(address.rfind(':') + 1);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  AddressList list;
  if (const int fault = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list.first); fault != 0)
    return fail(Errc::invalid, fmt::format("getaddrinfo \"{}\": {}", address, ::gai_strerror(fault)),
                "write it like 127.0.0.1:9847 or [::1]:9847");
  Result<UniqueFd> fd = fail(Errc::not_found, fmt::format("\"{}\" stands for no address", address));
  for (const addrinfo* at = list.first; at && !fd; at = at->ai_next) fd = bind_one(*at, address);
  return fd;
}

struct Bound {
  std::uint16_t port = 0;
  std::string endpoint{};
};

Bound bound_to(int fd) {
  sockaddr_in6 six{};
  socklen_t size = sizeof six;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&six), &size) != 0) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (six.sin6_family == AF_INET6) {
    if (IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr)) six.sin6_addr = in6addr_loopback;
    (void)::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
    return {ntohs(six.sin6_port), fmt::format("[{}]:{}", text.data(), ntohs(six.sin6_port))};
  }
  auto& four = reinterpret_cast<sockaddr_in&>(six);
  if (four.sin_addr.s_addr == htonl(INADDR_ANY)) four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  (void)::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
  return {ntohs(four.sin_port), fmt::format("{}:{}", text.data(), ntohs(four.sin_port))};
}

}  // namespace

PublicListener::PublicListener(ListenOptions options, std::shared_ptr<Routes> routes)
    : options_(std::move(options)), routes_(std::move(routes)) {
  hosts_ = {"localhost", bare_host(options_.address)};
  for (const std::string& host : options_.hosts) hosts_.push_back(bare_host(host));
}

PublicListener::~PublicListener() { stop(); }

Result<void> PublicListener::start() {
  PGCERTD_TRY(UniqueFd fd, bind_address(options_.address));
  Bound bound = bound_to(fd.get());
  port_ = bound.port;
  endpoint_ = std::move(bound.endpoint);
  loop_ = std::make_unique<ServerLoop>(
      std::move(fd), Rules{}, options_.loop,
      [this](const Head& head, const std::string& request, const Peer& peer, Turn turn) {
        return respond(head, request, peer, turn);
      },
      [this](const Reply& reply) { routes_->count(reply.handler, reply.status); }, [this](const Head& head) { return routes_->is_ready(head.target); }, options_.tls);
  routes_->join(*loop_);   // before anybody waits there: no news are missed. stop() takes it back
  return loop_->start();
}

void PublicListener::stop() {
  if (!loop_) return;
  routes_->leave(*loop_);
  loop_->stop();
  loop_.reset();
}

// A page of another origin can make a browser connect here, but its Host header then carries that page's name.
bool PublicListener::host_allowed(const Head& head, const Peer& peer) const {
  if (head.host.empty() || head.target.starts_with("/pki/")) return true;   // no Host: HTTP/1.0, which no browser speaks
  const std::string host = bare_host(head.host);
  return host == peer.local_address || std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end();
}

Answer PublicListener::respond(const Head& head, const std::string& request, const Peer& peer, Turn turn) {
  if (!host_allowed(head, peer)) {
    const Reply reply = problem_reply(421, "this host name is not ours: add it to [http] hosts if it is");
    routes_->count(reply.handler, reply.status);
    return {refusal_bytes(reply, head.method != "HEAD"), true};
  }
  return engine_.answer(request, head.head_size, turn, [this](const Request& r) { return routes_->answer(r); });
}

}  // namespace pgcertd::http
