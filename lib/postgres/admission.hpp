// Whether pg_hba.conf lets a user in from here, in plaintext and over TLS: asked of the server by a real libpq connection that
// gives no password. Blocks for at most the timeout of each. The server may log the attempts.
#pragma once

#include <optional>
#include <string>

#include "base/time.hpp"
#include "postgres/endpoints.hpp"

namespace pgcertd::postgres {

struct Login {
  std::string user;
  std::string database;          // empty: as the user, libpq's default
};

// nullopt: it could not be told, because the connection failed before pg_hba.conf was asked.
struct Admission {
  std::optional<bool> plaintext;
  std::optional<bool> tls;
};

Admission ask_admission(const Endpoint& endpoint, const Login& login, Duration timeout);

}  // namespace pgcertd::postgres
