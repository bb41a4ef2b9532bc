#include "postgres/conninfo.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"
#include "postgres/pg_ptr.hpp"
#include "postgres/resolve.hpp"

namespace pgcertd::postgres {
namespace {

constexpr auto session_options =
    "-c search_path=pg_catalog -c client_min_messages=error -c statement_timeout=10000 -c lock_timeout=5000 "
    "-c idle_in_transaction_session_timeout=10000 -c DateStyle=ISO -c default_transaction_isolation=read\\ committed";

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> out;
  for (std::size_t at = 0;;) {
    const auto comma = list.find(',', at);
    out.push_back(list.substr(at, comma - at));
    if (comma == std::string::npos) return out;
    at = comma + 1;
  }
}

// Takes a keyword out of `values`.
std::string take(std::map<std::string, std::string>& values, const std::string& key) {
  const auto found = values.find(key);
  if (found == values.end()) return {};
  std::string out = std::move(found->second);
  values.erase(found);
  return out;
}

Target::Kind kind_of(const Target& target) {
  if (!target.hostaddr.empty()) return is_loopback(target.hostaddr) ? Target::Kind::loopback : Target::Kind::remote;
  if (target.host.empty() || target.host.starts_with('/') || target.host.starts_with('@')) return Target::Kind::unix_socket;
  return target.host == "localhost" || is_loopback(target.host) ? Target::Kind::loopback : Target::Kind::remote;
}

// libpq's rule: hostaddr, where given, says how many there are; a single port goes for all.
Expected<std::vector<Target>> targets_of(std::map<std::string, std::string>& values) {
  const auto hosts = split(take(values, "host"));
  const auto addresses = split(take(values, "hostaddr"));
  const auto ports = split(take(values, "port"));
  const std::size_t count = std::max(hosts.size(), addresses.size());
  const auto fits = [count](const std::vector<std::string>& list) {
    return list.size() == count || (list.size() == 1 && list[0].empty());
  };
  if (!fits(hosts) || !fits(addresses) || (!fits(ports) && ports.size() != 1))
    return failure(ServerFault::other, Errc::invalid, "conninfo: host, hostaddr and port name different numbers of servers");
  std::vector<Target> out;
  for (std::size_t i = 0; i < count; ++i) {
    Target target;
    if (i < hosts.size()) target.host = hosts[i];
    if (i < addresses.size()) target.hostaddr = addresses[i];
    const std::string& port = ports.size() == 1 ? ports[0] : ports[i];
    if (!port.empty()) target.port = port;
    target.kind = kind_of(target);
    out.push_back(std::move(target));
  }
  return out;
}

Expected<std::map<std::string, std::string>> parse(const std::string& text) {
  char* reason = nullptr;
  const OptionsPtr options(PQconninfoParse(text.c_str(), &reason));
  const TextPtr reason_owner(reason);
  if (!options)
    return failure(ServerFault::other, Errc::invalid, fmt::format("conninfo: {}", one_line(reason != nullptr ? reason : "out of memory")));
  std::map<std::string, std::string> values;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option)
    if (option->val != nullptr) values[option->keyword] = option->val;
  return values;
}

void override_values(std::map<std::string, std::string>& values, const std::string& server_user) {
  for (const char* ignored : {"service", "fallback_application_name", "connect_timeout", "replication"}) values.erase(ignored);
  // Not /dev/null, of which libpq says on stderr that it is no plain file.
  values["passfile"] = "/dev/null/none";
  values["application_name"] = "pgcertd";
  values["options"] = session_options;
  values["client_encoding"] = "UTF8";
  // Looking for Kerberos tickets may block on the network.
  values.try_emplace("gssencmode", "disable");
  if (!server_user.empty()) values["requirepeer"] = server_user;
}

}  // namespace

std::map<std::string, std::string> Conninfo::parameters() const {
  auto out = values;
  bool addresses = false;
  for (const auto& target : targets) addresses = addresses || !target.hostaddr.empty();
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const std::string comma = i == 0 ? "" : ",";
    out["host"] += comma + targets[i].host;
    out["port"] += comma + targets[i].port;
    if (addresses) out["hostaddr"] += comma + targets[i].hostaddr;
  }
  return out;
}

Expected<Conninfo> parse_conninfo(const std::string& text, const std::string& server_user) {
  auto values = parse(text);
  if (!values) return tl::unexpected(std::move(values).error());
  if (values->contains("password"))
    return failure(ServerFault::insecure, Errc::refused, "conninfo holds a password",
                   "move it to a file and write password = \"file:PATH\" or \"credential:NAME\"");
  Conninfo out;
  auto targets = targets_of(*values);
  if (!targets) return tl::unexpected(std::move(targets).error());
  out.targets = std::move(*targets);
  for (const auto& target : out.targets) {
    if (target.kind != Target::Kind::remote) continue;
    if (const auto mode = values->find("sslmode"); mode != values->end() && mode->second == "verify-full") continue;
    return failure(ServerFault::insecure, Errc::refused,
                   fmt::format("conninfo reaches \"{}\" over the network without sslmode=verify-full",
                               printable(target.host.empty() ? target.hostaddr : target.host)),
                   "add sslmode=verify-full sslrootcert=FILE to conninfo, or connect through the Unix socket or 127.0.0.1");
  }
  override_values(*values, server_user);
  out.values = std::move(*values);
  return out;
}

void ignore_pg_environment() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with("PG") && !text.starts_with("PGCERTD")) names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const auto& name : names) unsetenv(name.c_str());
}

}  // namespace pgcertd::postgres
