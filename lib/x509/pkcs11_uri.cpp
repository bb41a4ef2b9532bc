// The URI alone, as text: no token is asked.
#include "x509/pkcs11_key.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/text.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::string_view scheme = "pkcs11:";
constexpr std::size_t longest = 2048;

struct Attribute {
  std::string_view name, value;
};

constexpr std::array<std::string_view, 4> of_token{"token", "serial", "manufacturer", "model"};
constexpr std::array<std::string_view, 3> of_key{"object", "id", "type"};

Error bad(std::string_view name, std::string_view why, std::string remedy = "write it like pkcs11:token=NAME;object=LABEL, as p11tool --list-all or pkcs11-tool --list-objects shows") {
  return make_error(Errc::invalid, fmt::format("the pkcs11: URI in \"{}\" {}", name, why), std::move(remedy));
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// nullopt: an escape that is none.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

std::vector<Attribute> split(std::string_view text, char between) {
  std::vector<Attribute> out;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(between));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const auto equals = one.find('=');
    out.push_back({one.substr(0, equals), equals == std::string_view::npos ? std::string_view{} : one.substr(equals + 1)});
  }
  return out;
}

Result<void> check_attribute(const Attribute& one, std::string_view name) {
  // Before all else, as nothing of it may be repeated.
  if (one.name == "pin-value" || one.name == "pin-source")
    return fail(bad(name, fmt::format("has the attribute {}: secrets never stand in a file like this one", one.name),
                    "remove it, change a PIN that stood there, and give the PIN as the passphrase: file:PATH or credential:NAME"));
  const auto plain = decoded(one.value);
  if (!plain || plain->empty()) return fail(bad(name, fmt::format("has no value, or a wrong %-escape, in the attribute \"{}\"", printable(one.name, 40))));
  if (one.name != "id" && plain->find('\0') != std::string::npos) return fail(bad(name, fmt::format("has a NUL in the attribute \"{}\"", printable(one.name, 40))));
  return {};
}

bool is_one_of(std::string_view name, std::span<const std::string_view> all) { return std::ranges::find(all, name) != all.end(); }

Result<void> add_path_attribute(const Attribute& one, std::string_view name, Pkcs11Uri& uri) {
  PGCERTD_CHECK(check_attribute(one, name));
  const bool names_token = is_one_of(one.name, of_token);
  if (!names_token && !is_one_of(one.name, of_key))
    return fail(bad(name, fmt::format("has the attribute \"{}\", which is not understood", printable(one.name, 40)), "token, serial, manufacturer, model; object, id, type; ?module-path"));
  if (one.name == "type" && one.value != "private") return fail(bad(name, "is not of a private key", "leave type out, or write type=private"));
  const std::string written = fmt::format("{}={}", one.name, one.value);
  for (const Attribute& before : split(std::string_view(uri.path).substr(scheme.size()), ';'))
    if (before.name == one.name) return fail(bad(name, fmt::format("has the attribute {} twice", one.name)));
  uri.path += (uri.path.size() == scheme.size() ? "" : ";") + written;
  if (names_token) uri.token += (uri.token.empty() ? "" : ";") + written;
  return {};
}

Result<void> add_query_attribute(const Attribute& one, std::string_view name, Pkcs11Uri& uri) {
  PGCERTD_CHECK(check_attribute(one, name));
  if (one.name != "module-path" || !uri.module_path.empty())
    return fail(bad(name, fmt::format("has the query attribute \"{}\" {}", printable(one.name, 40), one.name == "module-path" ? "twice" : "which is not understood"), "only ?module-path=/PATH may stand there"));
  uri.module_path = *decoded(one.value);
  return {};
}

bool names(const Pkcs11Uri& uri, std::string_view a, std::string_view b) {
  const auto all = split(std::string_view(uri.path).substr(scheme.size()), ';');
  return std::ranges::any_of(all, [&](const Attribute& one) { return one.name == a || one.name == b; });
}

}  // namespace

bool is_pkcs11_uri(std::string_view bytes) { return bytes.starts_with(scheme); }

Result<Pkcs11Uri> parse_pkcs11_uri(std::string_view bytes, std::string_view name) {
  if (bytes.ends_with('\n')) bytes.remove_suffix(1);
  if (bytes.ends_with('\r')) bytes.remove_suffix(1);
  if (!is_pkcs11_uri(bytes)) return fail(bad(name, "does not begin with \"pkcs11:\""));
  if (bytes.size() > longest) return fail(bad(name, fmt::format("has {} bytes: {} at most", bytes.size(), longest)));
  if (std::ranges::any_of(bytes, [](char c) { return c <= 0x20 || c == 0x7F || c == '"' || c == '#' || c == '\\'; }))
    return fail(bad(name, "holds a blank, a line end or another character that has to be written as %XX"));
  bytes.remove_prefix(scheme.size());
  const std::string_view path = bytes.substr(0, bytes.find('?'));
  const std::string_view query = path.size() < bytes.size() ? bytes.substr(path.size() + 1) : std::string_view{};
  Pkcs11Uri uri;
  uri.path = scheme;
  for (const Attribute& one : split(path, ';')) PGCERTD_CHECK(add_path_attribute(one, name, uri));
  for (const Attribute& one : split(query, '&')) PGCERTD_CHECK(add_query_attribute(one, name, uri));
  // A PIN must never go to a token that only happened to be there.
  if (!names(uri, "token", "serial")) return fail(bad(name, "names no token (token= or serial=)"));
  if (!names(uri, "object", "id")) return fail(bad(name, "names no key (object= or id=)"));
  if (!names(uri, "type", "type")) uri.path += ";type=private";
  return uri;
}

}  // namespace pgcertd::x509
