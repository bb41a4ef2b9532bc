// name_matches of verify.hpp: the rules of libpq 15's pq_verify_peer_name_matches_certificate.
#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "x509/asn1.hpp"
#include "x509/verify.hpp"

namespace pgcertd::x509 {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

// "*" stands for exactly one leftmost label.
bool wildcard_matches(std::string_view pattern, std::string_view host) {
  if (pattern.size() < 3 || !pattern.starts_with("*.") || pattern.size() > host.size()) return false;
  const std::size_t covered = host.size() - pattern.size() + 1;
  return equal_ignoring_case(pattern.substr(1), host.substr(covered)) && host.find('.') == covered;
}

bool text_matches(std::string_view name, std::string_view host) { return equal_ignoring_case(name, host) || wildcard_matches(name, host); }

// The octets of an address, as libpq reads it: "127.1" counts, too.
std::string address_octets(const std::string& text) {
  in_addr four{};
  std::array<char, 16> six{};
  if (::inet_aton(text.c_str(), &four) != 0) return {reinterpret_cast<const char*>(&four.s_addr), sizeof four.s_addr};
  if (::inet_pton(AF_INET6, text.c_str(), six.data()) == 1) return {six.data(), six.size()};
  return {};
}

// libpq gives the whole certificate up at such a name (CVE-2009-4034).
bool is_poisoned(const CertFacts& leaf) {
  const auto has_null = [](const std::string& name) { return name.find('\0') != std::string::npos; };
  return std::any_of(leaf.names.dns.begin(), leaf.names.dns.end(), has_null) ||
         std::any_of(leaf.names.ip.begin(), leaf.names.ip.end(), [](const std::string& ip) { return ip.starts_with(invalid_ip_prefix); });
}

}  // namespace

bool name_matches(const CertFacts& leaf, std::string_view host) {
  if (host.empty() || host.find('\0') != std::string_view::npos || is_poisoned(leaf)) return false;
  const std::string octets = address_octets(std::string(host));
  // dNSNames are matched for an address as well, and iPAddresses by their octets, not by their spelling.
  for (const std::string& dns : leaf.names.dns)
    if (text_matches(dns, host)) return true;
  for (const std::string& ip : leaf.names.ip)
    if (!octets.empty() && octets == address_octets(ip)) return true;
  // The CN counts only where no name of the host's own kind stands in the SAN.
  const bool same_kind = octets.empty() ? !leaf.names.dns.empty() : !leaf.names.ip.empty();
  const std::string& cn = leaf.common_name;
  return !same_kind && cn.find('\0') == std::string::npos && text_matches(cn, host);
}

}  // namespace pgcertd::x509
