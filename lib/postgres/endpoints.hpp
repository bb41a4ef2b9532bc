// Where a server is probed. endpoints_of() is pure; interface_addresses() asks the kernel.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/server.hpp"

namespace pgcertd::postgres {

struct Endpoint {
  std::string host;               // name or address, without brackets
  std::uint16_t port = 5432;
  [[nodiscard]] std::string text() const;   // "host:port", "[v6]:port"
};
// "host:port", "[v6]:port", "host" and "v6" (port 5432).
Result<Endpoint> parse_endpoint(const std::string& text);

// listen_addresses first, then the configured ones; each once. A wildcard is loopback and at most seven interface addresses of
// its family. Addresses of an empty listen_addresses: none.
std::vector<std::string> endpoints_of(const PostgresSeen& server, const std::vector<std::string>& configured,
                                      const std::vector<std::string>& interface_addresses);

// Addresses of interfaces that are up, loopback included; without link-local ones, which need a scope.
std::vector<std::string> interface_addresses();

}  // namespace pgcertd::postgres
