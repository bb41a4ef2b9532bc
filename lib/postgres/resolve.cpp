#include "postgres/resolve.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <system_error>
#include <thread>

#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::postgres {
namespace {

struct AddrinfoFree {
  void operator()(addrinfo* list) const noexcept { freeaddrinfo(list); }
};
using AddrinfoPtr = std::unique_ptr<addrinfo, AddrinfoFree>;

struct Lookup {
  std::string host, service;
  UniqueFd done{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  // What the thread has written is there for who reads true here; `done` only wakes.
  std::atomic<bool> finished{false};
  int status = EAI_AGAIN;
  AddrinfoPtr list;
};

int look_up(Lookup& lookup, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* list = nullptr;
  const int status = getaddrinfo(lookup.host.c_str(), lookup.service.c_str(), &hints, &list);
  if (status == 0) lookup.list.reset(list);
  return status;
}

std::string text_of(const sockaddr* address, socklen_t length) {
  char host[NI_MAXHOST] = "";
  getnameinfo(address, length, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return host;
}

std::vector<Address> addresses(const Lookup& lookup) {
  std::vector<Address> out;
  for (const addrinfo* entry = lookup.list.get(); entry != nullptr; entry = entry->ai_next) {
    Address address;
    if (entry->ai_addrlen > sizeof address.storage) continue;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.length = entry->ai_addrlen;
    address.text = text_of(entry->ai_addr, entry->ai_addrlen);
    out.push_back(std::move(address));
  }
  return out;
}

Result<void> look_up_aside(const std::shared_ptr<Lookup>& lookup, Deadline deadline, const Cancel& cancel) {
  if (!lookup->done) return fail(errno_error("eventfd", lookup->host, errno));
  try {
    std::thread([lookup] {
      lookup->status = look_up(*lookup, 0);
      lookup->finished.store(true, std::memory_order_release);
      const std::uint64_t one = 1;
      (void)!write(lookup->done.get(), &one, sizeof one);   // the counter is at 0: it cannot fail
    }).detach();
  } catch (const std::system_error& failure) {
    return fail(Errc::io, fmt::format("looking up \"{}\": {}", printable(lookup->host), failure.what()));
  }
  switch (wait_for(lookup->done.get(), POLLIN, deadline, cancel)) {
    case Wake::ready: return {};
    case Wake::cancelled: return fail(Errc::cancelled, "looking up a name: the daemon is stopping");
    case Wake::timeout: break;
  }
  return fail(Errc::timeout, fmt::format("looking up \"{}\": no answer in time", printable(lookup->host)),
              "write the address instead of the name, or repair name resolution");
}

}  // namespace

bool is_numeric(const std::string& host) {
  unsigned char buffer[sizeof(in6_addr)];
  return inet_pton(AF_INET, host.c_str(), buffer) == 1 || inet_pton(AF_INET6, host.c_str(), buffer) == 1;
}

bool is_loopback(const std::string& address) {
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Deadline deadline, const Cancel& cancel) {
  auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  lookup->service = std::to_string(port);
  int status = look_up(*lookup, AI_NUMERICHOST);
  if (status == EAI_NONAME) {
    PGCERTD_CHECK(look_up_aside(lookup, deadline, cancel));
    if (!lookup->finished.load(std::memory_order_acquire)) return fail(Errc::internal, "looking up a name: woken without an answer");
    status = lookup->status;
  }
  if (status != 0)
    return fail(Errc::network, fmt::format("looking up \"{}\": {}", printable(host), gai_strerror(status)));
  return addresses(*lookup);
}

}  // namespace pgcertd::postgres
