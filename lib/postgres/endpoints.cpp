#include "postgres/endpoints.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "base/text.hpp"
#include "postgres/resolve.hpp"

namespace pgcertd::postgres {
namespace {

constexpr std::size_t wildcard_limit = 8;

bool is_v6(const std::string& address) { return address.find(':') != std::string::npos; }

void add(std::vector<std::string>& out, const std::string& value) {
  if (std::ranges::find(out, value) == out.end()) out.push_back(value);
}

// What `*`, `0.0.0.0` and `::` stand for; anything else is itself.
std::vector<std::string> expand(const std::string& listen, const std::vector<std::string>& interfaces) {
  const bool v4 = listen == "*" || listen == "0.0.0.0", v6 = listen == "*" || listen == "::";
  if (listen == "localhost") return {"127.0.0.1"};
  if (!v4 && !v6) return {listen};
  std::vector<std::string> out;
  if (v4) out.emplace_back("127.0.0.1");
  // `*` is content with one family, and a host may have no IPv6.
  if (listen == "::" || (v6 && std::ranges::find(interfaces, "::1") != interfaces.end())) out.emplace_back("::1");
  for (const auto& address : interfaces)
    if (out.size() < wildcard_limit && !is_loopback(address) && (is_v6(address) ? v6 : v4)) add(out, address);
  return out;
}

struct IfaddrsFree {
  void operator()(ifaddrs* list) const noexcept { freeifaddrs(list); }
};

std::string address_of(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
  if (address->sa_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (!IN6_IS_ADDR_LINKLOCAL(&v6)) inet_ntop(AF_INET6, &v6, text, sizeof text);
  }
  return text;
}

}  // namespace

std::string Endpoint::text() const { return is_v6(host) ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port); }

Result<Endpoint> parse_endpoint(const std::string& text) {
  const auto bad = [&text] { return fail(Errc::invalid, fmt::format("\"{}\" is no endpoint", printable(text, 100)), "write HOST:PORT or [IPv6]:PORT"); };
  Endpoint out;
  std::string port = "5432";
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string::npos || (end + 1 < text.size() && text[end + 1] != ':')) return bad();
    out.host = text.substr(1, end - 1);
    if (!is_v6(out.host) || !is_numeric(out.host)) return bad();
    if (end + 1 < text.size()) port = text.substr(end + 2);
  } else if (is_numeric(text)) {
    out.host = text;
  } else {
    const auto colon = text.find(':');
    out.host = text.substr(0, colon);
    if (colon != std::string::npos) port = text.substr(colon + 1);
  }
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (failed != std::errc{} || end != port.data() + port.size() || out.port == 0 || out.host.empty()) return bad();
  if (out.host.find_first_of(std::string_view(" \t\r\n/\0", 6)) != std::string::npos) return bad();
  return out;
}

std::vector<std::string> endpoints_of(const PostgresSeen& server, const std::vector<std::string>& configured,
                                      const std::vector<std::string>& interfaces) {
  std::vector<std::string> out;
  for (const auto& listen : server.listen_addresses)
    for (const auto& host : expand(listen, interfaces)) add(out, Endpoint{.host = host, .port = server.port}.text());
  for (const auto& endpoint : configured) {
    const auto parsed = parse_endpoint(endpoint);
    add(out, parsed ? parsed->text() : endpoint);
  }
  return out;
}

std::vector<std::string> interface_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};   // loopback is then all that is known
  const std::unique_ptr<ifaddrs, IfaddrsFree> owner(list);
  std::vector<std::string> out;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    if (auto text = address_of(entry->ifa_addr); !text.empty()) add(out, text);
  }
  return out;
}

}  // namespace pgcertd::postgres
