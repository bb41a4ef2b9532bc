#include "config/values.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

#include "base/text.hpp"
#include "core/weekly_window.hpp"

namespace pgcertd::config {
namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool alphanumeric(char c) { return lower(c) || (c >= 'A' && c <= 'Z') || digit(c); }

std::string quoted(std::string_view text) { return fmt::format("\"{}\"", printable(text, 120)); }

// An address as inet_ntop writes it, or nothing.
std::optional<std::string> address(const std::string& text) {
  std::array<unsigned char, sizeof(in6_addr)> bytes{};
  std::array<char, INET6_ADDRSTRLEN> out{};
  for (const int family : {AF_INET, AF_INET6})
    if (::inet_pton(family, text.c_str(), bytes.data()) == 1) return ::inet_ntop(family, bytes.data(), out.data(), out.size());
  return std::nullopt;
}

// RFC 952 and 1123: letters, digits and hyphens. Empty when it is one.
std::string_view why_no_label(std::string_view label) {
  if (label.empty()) return "a label is empty";
  if (label.size() > 63) return "a label is longer than 63 bytes";
  if (label.front() == '-' || label.back() == '-') return "a label begins or ends with a hyphen";
  if (!std::ranges::all_of(label, [](char c) { return alphanumeric(c) || c == '-'; }))
    return "only letters, digits, hyphens and dots stand in one";
  return {};
}

std::string_view why_no_host(std::string_view text) {
  if (text.size() > 253) return "it is longer than 253 bytes";
  if (text.ends_with('.')) return "it ends with a dot, and clients compare without one";
  std::string_view label;
  for (std::string_view rest = text;;) {
    const auto dot = rest.find('.');
    label = rest.substr(0, dot);
    if (const auto why = why_no_label(label); !why.empty()) return why;
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  // RFC 3696: a name whose last label is a number would be read as an address.
  if (std::ranges::all_of(label, digit)) return "it ends in a number, so that it would be an address, and is none";
  return {};
}

tl::unexpected<Error> no_host(const std::string& text, std::string_view why) {
  const bool ascii = std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  return fail(Errc::invalid, fmt::format("{} is no host name and no address: {}", quoted(text), why),
              ascii ? "write it like db1.example.org, 10.0.0.5 or 2001:db8::5" : "write an international name in its xn-- form");
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

struct HostPort {
  std::string host;
  std::optional<std::string> port;
  bool brackets = false;
};

HostPort split_port(const std::string& text) {
  if (const auto close = text.find(']'); text.starts_with('[') && close != std::string::npos) {
    const std::string rest = text.substr(close + 1);
    HostPort out{.host = text.substr(1, close - 1), .port = {}, .brackets = true};
    if (!rest.empty()) out.port = rest.starts_with(':') ? rest.substr(1) : rest;
    return out;
  }
  // Several colons without brackets: an IPv6 address alone.
  if (std::ranges::count(text, ':') != 1) return {.host = text, .port = {}, .brackets = false};
  const auto colon = text.find(':');
  return {.host = text.substr(0, colon), .port = text.substr(colon + 1), .brackets = false};
}

// Without a port it gets `port`; where that is empty, too, it is refused.
Result<std::string> host_and_port(const std::string& text, const std::string& port) {
  constexpr auto remedy = "write it like 127.0.0.1:5432, db1.example.org:5432 or [::1]:5432";
  const HostPort parts = split_port(text);
  const std::string number = parts.port.value_or(port);
  if (!is_port(number)) return fail(Errc::invalid, fmt::format("{} has no port between 1 and 65535", quoted(text)), remedy);
  PGCERTD_TRY(const std::string found, host(parts.host));
  const bool v6 = found.find(':') != std::string::npos;
  if (parts.brackets && !v6) return fail(Errc::invalid, fmt::format("{}: brackets belong to IPv6 addresses", quoted(text)), remedy);
  // Leading zeros would make two spellings of one endpoint.
  return fmt::format("{}:{}", v6 ? fmt::format("[{}]", found) : found, std::stoul(number));
}

// systemd's own rule for names of units; ".service" is understood.
Result<std::string> service_unit(const std::string& text) {
  constexpr std::array<std::string_view, 10> others{".socket",    ".target", ".timer", ".path",  ".mount",
                                                    ".automount", ".swap",   ".slice", ".scope", ".device"};
  const bool characters = std::ranges::all_of(
      text, [](char c) { return alphanumeric(c) || std::string_view(":-_.\\@").find(c) != std::string_view::npos; });
  const bool other = std::ranges::any_of(others, [&](std::string_view suffix) { return text.ends_with(suffix); });
  const std::string unit = text.ends_with(".service") ? text : text + ".service";
  if (text.empty() || text == ".service" || !characters || other || unit.ends_with("@.service") || unit.size() > 255)
    return fail(Errc::invalid, fmt::format("{} is no name of a service", quoted(text)),
                "write it like systemd:postgresql@15-main.service");
  return unit;
}

tl::unexpected<Error> no_word(const std::string& text, std::string_view words) {
  return fail(Errc::invalid, fmt::format("{} is none of {}", quoted(text), words));
}

}  // namespace

Result<std::string> absolute_path(const std::string& text) {
  if (!text.starts_with('/')) return fail(Errc::invalid, fmt::format("{} is no absolute path", quoted(text)), "begin it with /");
  std::string out;
  for (std::size_t at = 1; at <= text.size();) {
    const auto slash = std::min(text.find('/', at), text.size());
    const std::string part = text.substr(at, slash - at);
    if (part == "." || part == "..")
      return fail(Errc::invalid, fmt::format("{} has \"{}\" in it", quoted(text), part), "write the path in full");
    if (!part.empty()) out += "/" + part;
    at = slash + 1;
  }
  if (out.empty()) return fail(Errc::invalid, "the root directory itself is no place for this", "name a directory below it");
  if (out.size() > 4000) return fail(Errc::invalid, "the path is longer than 4000 bytes");
  return out;
}

Result<std::string> account(const std::string& text) {
  const auto inside = [](char c) { return alphanumeric(c) || c == '_' || c == '-' || c == '.'; };
  const std::string_view stem(text.data(), text.ends_with('$') ? text.size() - 1 : text.size());
  if (stem.empty() || text.size() > 32 || digit(stem.front()) || stem.front() == '-' || stem.front() == '.' ||
      !std::ranges::all_of(stem, inside))
    return fail(Errc::invalid, fmt::format("{} is no name of a user or group", quoted(text)), "see getent passwd, getent group");
  return text;
}

Result<std::string> section_name(const std::string& text) {
  const auto inside = [](char c) { return lower(c) || digit(c) || c == '_' || c == '-'; };
  if (text.empty() || text.size() > 63 || !std::ranges::all_of(text, inside))
    return fail(Errc::invalid, fmt::format("{} is no name for this", quoted(text)), "use 1 to 63 of the characters a-z 0-9 _ -");
  return text;
}

Result<std::string> host(const std::string& text) {
  if (auto found = address(text)) return *found;
  if (const auto why = why_no_host(text); !why.empty()) return no_host(text, why);
  return lower_case(text);
}

Result<std::string> listen_address(const std::string& text) { return host_and_port(text, ""); }
Result<std::string> endpoint(const std::string& text) { return host_and_port(text, "5432"); }

Result<std::string> http_url(const std::string& text) {
  const std::string remedy = "write it like http://pki.example.org/ca.crl";
  const auto colon = text.find("://");
  const std::string scheme = lower_case(text.substr(0, colon));
  if (colon == std::string::npos || (scheme != "http" && scheme != "https"))
    return fail(Errc::invalid, fmt::format("{} is no http or https URL", quoted(text)), remedy);
  const std::string authority = text.substr(colon + 3, text.find_first_of("/?#", colon + 3) - colon - 3);
  // Not repeated: what stands before the @ may be a password.
  if (authority.find('@') != std::string::npos)
    return fail(Errc::refused, "the URL holds a user or a password", "remove what stands before the @");
  if (!std::ranges::all_of(
          text, [](char c) { return c > 0x20 && c < 0x7F && std::string_view("\"<>\\^`{|}").find(c) == std::string_view::npos; }))
    return fail(Errc::invalid, fmt::format("{} holds characters that must be percent-encoded", quoted(text)), remedy);
  if (text.size() > 2000) return fail(Errc::invalid, "the URL is longer than 2000 bytes");
  if (auto good = host_and_port(authority, "80"); !good)
    return fail(Errc::invalid, fmt::format("{}: {}", quoted(text), good.error().what), remedy);
  return text;
}

Result<SecretSource> secret_source(const std::string& text) {
  using Kind = SecretSource::Kind;
  if (text.empty()) return SecretSource{};
  if (text.starts_with("file:")) {
    PGCERTD_TRY(std::string path, absolute_path(text.substr(5)));
    return SecretSource{.kind = Kind::file, .name = std::move(path)};
  }
  if (text.starts_with("credential:")) {
    std::string name = text.substr(11);
    const bool characters = std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7F && c != '/' && c != ':'; });
    if (name.empty() || name == "." || name == ".." || name.size() > 255 || !characters)
      return fail(Errc::invalid, "what follows \"credential:\" is no name of a credential",
                  "name it as LoadCredential= of the unit does");
    return SecretSource{.kind = Kind::credential, .name = std::move(name)};
  }
  if (text.starts_with("pkcs11:"))
    return fail(Errc::refused, "a passphrase or password is wanted here, and a pkcs11: URI names a key",
                "write file:/PATH or credential:NAME");
  // The value is not repeated: it may be the secret itself.
  return fail(Errc::refused, "the value does not say where the secret is found",
              "write file:/PATH or credential:NAME; a secret never stands in the configuration");
}

Result<ReloadMethod> reload_method(const std::string& text) {
  using Kind = ReloadMethod::Kind;
  if (text == "auto") return ReloadMethod{};
  if (text == "sql") return ReloadMethod{.kind = Kind::sql, .unit = {}};
  if (text == "signal") return ReloadMethod{.kind = Kind::signal, .unit = {}};
  if (!text.starts_with("systemd:")) return no_word(text, "auto, sql, systemd:UNIT, signal");
  PGCERTD_TRY(std::string unit, service_unit(text.substr(8)));
  return ReloadMethod{.kind = Kind::systemd, .unit = std::move(unit)};
}

Result<RestartCommand> restart_command(const std::string& text) {
  using Kind = RestartCommand::Kind;
  if (text == "auto") return RestartCommand{};
  if (text == "pg_ctl") return RestartCommand{.kind = Kind::pg_ctl, .unit = {}};
  if (!text.starts_with("systemd:")) return no_word(text, "auto, systemd:UNIT, pg_ctl");
  PGCERTD_TRY(std::string unit, service_unit(text.substr(8)));
  return RestartCommand{.kind = Kind::systemd, .unit = std::move(unit)};
}

Result<void> add_name(const std::string& text, Names& names) {
  const auto add = [](std::vector<std::string>& list, std::string name) {
    if (std::ranges::find(list, name) == list.end()) list.push_back(std::move(name));
  };
  if (auto found = address(text)) {
    add(names.ip, std::move(*found));
    return {};
  }
  const bool wildcard = text.starts_with("*.");
  if (!wildcard && text.find('*') != std::string::npos)
    return fail(Errc::invalid, fmt::format("{} has a wildcard that no client matches", quoted(text)),
                "\"*\" may only be the whole leftmost label: *.example.org");
  if (const auto why = why_no_host(std::string_view(text).substr(wildcard ? 2 : 0)); !why.empty()) return no_host(text, why);
  add(names.dns, lower_case(text));
  return {};
}

std::string text_of(const SecretSource& source) {
  switch (source.kind) {
    case SecretSource::Kind::none: return {};
    case SecretSource::Kind::file: return "file:" + source.name;
    case SecretSource::Kind::credential: return "credential:" + source.name;
  }
  return {};
}

std::string text_of(const ReloadMethod& method) {
  switch (method.kind) {
    case ReloadMethod::Kind::automatic: return "auto";
    case ReloadMethod::Kind::sql: return "sql";
    case ReloadMethod::Kind::systemd: return "systemd:" + method.unit;
    case ReloadMethod::Kind::signal: return "signal";
  }
  return {};
}

std::string text_of(const RestartCommand& command) {
  switch (command.kind) {
    case RestartCommand::Kind::automatic: return "auto";
    case RestartCommand::Kind::systemd: return "systemd:" + command.unit;
    case RestartCommand::Kind::pg_ctl: return "pg_ctl";
  }
  return {};
}

Result<std::string> restart_window(const std::string& text) {
  PGCERTD_CHECK(parse_weekly_windows(text));
  return text;
}

}  // namespace pgcertd::config
