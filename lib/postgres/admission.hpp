// Whether a server lets a user in from here, in plaintext and over TLS: asked by a real libpq connection that gives no password,
// and the client's certificate where one is named. Blocks for at most the timeout of each. The server may log the attempts.
#pragma once

#include <optional>
#include <string>

#include "base/time.hpp"
#include "core/client_auth.hpp"
#include "postgres/endpoints.hpp"

namespace pgcertd::postgres {

struct Login {
  std::string user;
  std::string database{};        // empty: as the user, libpq's default
  std::string certificate{}, key{};   // files of the client, as sslcert and sslkey; empty: none
};

struct Admission {
  LoginEnd plaintext, tls;
};
// nullopt: it could not be told, because the connection failed before the server judged anybody.
std::optional<bool> let_in(const LoginEnd& end);

Admission ask_admission(const Endpoint& endpoint, const Login& login, Duration timeout);

}  // namespace pgcertd::postgres
