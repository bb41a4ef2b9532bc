// conninfo made safe: what libpq may be told, and where it may connect. Pure but for libpq's parser.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "postgres/failure.hpp"

namespace pgcertd::postgres {

// One place that libpq would try.
struct Target {
  enum class Kind : std::uint8_t { unix_socket, loopback, remote };
  Kind kind = Kind::unix_socket;
  std::string host;               // directory of the socket, name or address; empty: libpq's own socket directory
  std::string hostaddr;           // empty: host is still to be looked up
  std::string port = "5432";
};

struct Conninfo {
  std::map<std::string, std::string> values;   // keywords for libpq but host, hostaddr and port
  std::vector<Target> targets;                 // at least one
  // Keywords and values in libpq's form.
  [[nodiscard]] std::map<std::string, std::string> parameters() const;
};

// `server_user`: the account the server must run as when it is reached through a Unix socket (requirepeer), or empty.
// Refused: a password in the text, and TCP beyond loopback without sslmode=verify-full (both ServerFault::insecure).
// Overridden: service, passfile, options, application_name.
Expected<Conninfo> parse_conninfo(const std::string& text, const std::string& server_user);

// Removes PG* from the environment: libpq would take every keyword that conninfo leaves out from there.
// To be called before threads start.
void ignore_pg_environment();

}  // namespace pgcertd::postgres
