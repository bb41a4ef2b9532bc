// Names to addresses without blocking longer than the deadline.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
  std::string text;               // as inet_ntop writes it
};

// An IPv4 or IPv6 address in its text form.
bool is_numeric(const std::string& host);
bool is_loopback(const std::string& address);

// A numeric host is answered at once. Another is looked up by a thread of its own, because getaddrinfo() takes no
// deadline; one that hangs ends by itself later and holds nothing of the caller.
Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port, Deadline deadline, const Cancel& cancel);

}  // namespace pgcertd::postgres
