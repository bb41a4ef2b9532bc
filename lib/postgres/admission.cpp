#include "postgres/admission.hpp"

#include <poll.h>

#include <array>
#include <string_view>
#include <tuple>
#include <utility>

#include "postgres/failure.hpp"
#include "postgres/pg_ptr.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {
namespace {

constexpr std::string_view invalid_authorization = "28000";
constexpr const char* no_such_file = "/dev/null/none";   // the client's own trust anchors and passwords have no say here

// Both refusals of pg_hba.conf carry the SQLSTATE of a role that does not exist, in the server's language; the file's name
// is in each translation of them (auth.c, ClientAuthentication).
bool names_hba(std::string_view message) { return message.find("pg_hba.conf") != std::string_view::npos; }

// What no translation changes: the function that reported the error.
bool reported_by(std::string_view message, std::string_view function) { return message.find(std::string(function) + ", auth.c:") != std::string_view::npos; }

LoginEnd::Kind refusal(std::string_view message) {
  if (names_hba(message)) return LoginEnd::Kind::refused_by_hba;
  if (reported_by(message, "ClientAuthentication")) return LoginEnd::Kind::certificate_wanted;
  if (reported_by(message, "auth_failed")) return LoginEnd::Kind::authentication_failed;
  return LoginEnd::Kind::admitted;   // a role that does not exist or may not log in: found out after the file let it in
}

// 57P03 (starting) and 53300 (full) are said before the file is looked at.
bool too_early(std::string_view message) {
  const auto fault = fault_of(sqlstate_in(message));
  return fault == ServerFault::starting || fault == ServerFault::too_many_connections || fault == ServerFault::down;
}

void connect(PGconn* connection, Deadline deadline) {
  const Cancel never;
  for (auto next = PGRES_POLLING_WRITING; next == PGRES_POLLING_WRITING || next == PGRES_POLLING_READING;) {
    if (wait_for(PQsocket(connection), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, never) != Wake::ready) return;
    next = PQconnectPoll(connection);
  }
}

const char* file_or_none(const std::string& path) { return path.empty() ? no_such_file : path.c_str(); }

ConnectionPtr start(const Endpoint& endpoint, const Login& login, const char* sslmode) {
  const std::string port = std::to_string(endpoint.port);
  const std::array<std::pair<const char*, const char*>, 11> words{{{"host", endpoint.host.c_str()},
                                                                   {"port", port.c_str()},
                                                                   {"user", login.user.c_str()},
                                                                   {"dbname", login.database.empty() ? nullptr : login.database.c_str()},
                                                                   {"sslmode", sslmode},
                                                                   {"sslcert", file_or_none(login.certificate)},
                                                                   {"sslkey", file_or_none(login.key)},
                                                                   {"sslrootcert", no_such_file},
                                                                   {"sslcrl", no_such_file},
                                                                   {"passfile", no_such_file},
                                                                   {"gssencmode", "disable"}}};
  std::array<const char*, words.size() + 1> keywords{}, values{};
  for (std::size_t i = 0; i < words.size(); ++i) std::tie(keywords[i], values[i]) = words[i];
  return ConnectionPtr(PQconnectStartParams(keywords.data(), values.data(), 0));
}

// libpq names the file that it cannot use.
bool names_own_file(std::string_view message, const Login& login) {
  const auto named = [message](const std::string& path) { return !path.empty() && message.find(path) != std::string_view::npos; };
  return named(login.certificate) || named(login.key);
}

LoginEnd end_of(PGconn* connection, const Login& login) {
  if (PQstatus(connection) == CONNECTION_OK || PQconnectionNeedsPassword(connection) != 0) return {LoginEnd::Kind::admitted, {}};
  const std::string_view message = PQerrorMessage(connection);
  const auto told = [message](LoginEnd::Kind kind) { return LoginEnd{kind, one_line(message)}; };
  const std::string state = sqlstate_in(message);
  if (state.empty()) {
    if (message.find(" alert ") != std::string_view::npos) return told(LoginEnd::Kind::alert);
    return told(names_own_file(message, login) ? LoginEnd::Kind::own_side : LoginEnd::Kind::unknown);
  }
  if (too_early(message)) return told(LoginEnd::Kind::unknown);
  return told(state == invalid_authorization ? refusal(message) : LoginEnd::Kind::admitted);
}

LoginEnd log_in(const Endpoint& endpoint, const Login& login, Duration timeout, const char* sslmode) {
  const ConnectionPtr connection = start(endpoint, login, sslmode);
  if (!connection) return {};
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);   // only then are the SQLSTATE and the function in the text
  if (PQstatus(connection.get()) != CONNECTION_BAD) connect(connection.get(), deadline_in(timeout));
  return end_of(connection.get(), login);
}

}  // namespace

std::optional<bool> let_in(const LoginEnd& end) {
  if (end.kind == LoginEnd::Kind::unknown) return std::nullopt;
  return end.kind == LoginEnd::Kind::admitted;
}

Admission ask_admission(const Endpoint& endpoint, const Login& login, Duration timeout) {
  return {.plaintext = log_in(endpoint, login, timeout, "disable"), .tls = log_in(endpoint, login, timeout, "require")};
}

}  // namespace pgcertd::postgres
