// check_names and names_from of sign.hpp.
#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.hpp"
#include "x509/sign.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::size_t max_dns_name = 253;
constexpr std::size_t max_label = 63;

// The text form of inet_ntop, so that one address has one spelling.
std::optional<std::string> canonical_ip(const std::string& text) {
  std::array<unsigned char, 16> address{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, text.c_str(), address.data()) == 1 && text.find('\0') == std::string::npos)
      return std::string(::inet_ntop(family, address.data(), out.data(), out.size()));
  return std::nullopt;
}

std::string_view label_fault(std::string_view label) {
  const auto ldh = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-'; };
  if (label.empty()) return "has an empty label";
  if (label.size() > max_label) return "has a label of more than 63 characters";
  if (!std::all_of(label.begin(), label.end(), ldh))
    return "may hold letters, digits, hyphens and one leftmost \"*.\" only (write other scripts in their xn-- form)";
  return label.front() == '-' || label.back() == '-' ? "has a label that begins or ends with a hyphen" : std::string_view{};
}

// Empty: fine. libpq takes what inet_aton reads for an address, which a dNSName must therefore not look like.
std::string_view dns_fault(std::string_view name) {
  if (name.empty()) return "is empty";
  if (name.size() > max_dns_name) return "is longer than 253 characters";
  std::string_view rest = name.starts_with("*.") ? name.substr(2) : name;
  std::string_view label;
  for (bool more = true; more;) {
    const std::size_t dot = rest.find('.');
    more = dot != std::string_view::npos;
    label = rest.substr(0, dot);
    if (const std::string_view fault = label_fault(label); !fault.empty()) return fault;
    if (more) rest = rest.substr(dot + 1);
  }
  const bool numeric = label.find_first_not_of("0123456789") == std::string_view::npos;
  in_addr ignored{};
  return numeric || ::inet_aton(std::string(name).c_str(), &ignored) != 0 ? "looks like an IP address and is none" : std::string_view{};
}

void note(std::string& faults, std::string_view name, std::string_view fault) {
  if (fault.empty()) return;
  faults += fmt::format("{}\"{}\" {}", faults.empty() ? "" : "; ", printable(name, 80), fault);
}

std::string faults_of(const Names& names) {
  std::string faults;
  for (const std::string& dns : names.dns) note(faults, dns, canonical_ip(dns) ? "is an IP address, no dNSName" : dns_fault(dns));
  for (const std::string& ip : names.ip) note(faults, ip, canonical_ip(ip) ? "" : "is no IP address");
  return faults;
}

void add_once(std::vector<std::string>& list, std::string text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(std::move(text));
}

}  // namespace

Result<void> check_names(const Names& names) {
  if (names.dns.empty() && names.ip.empty()) return fail(Errc::invalid, "no name to put into the certificate");
  if (const std::string faults = faults_of(names); !faults.empty())
    return fail(Errc::invalid, "these names cannot stand in a certificate: " + faults, "write each host name as clients type it, without port or scheme");
  return {};
}

Result<Names> names_from(const std::vector<std::string>& texts) {
  Names names;
  for (const std::string& text : texts) {
    if (auto ip = canonical_ip(text)) {
      add_once(names.ip, std::move(*ip));
      continue;
    }
    std::string dns = text;
    std::transform(dns.begin(), dns.end(), dns.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    add_once(names.dns, std::move(dns));
  }
  if (!texts.empty()) PGCERTD_CHECK(check_names(names));   // an empty list is the configuration's default, not a fault
  return names;
}

}  // namespace pgcertd::x509
