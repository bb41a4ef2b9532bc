#include "postgres/admission.hpp"

#include <poll.h>

#include <array>
#include <string_view>

#include "postgres/failure.hpp"
#include "postgres/pg_ptr.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {
namespace {

constexpr std::string_view invalid_authorization = "28000";
constexpr const char* no_such_file = "/dev/null/none";   // the client's own trust anchors and passwords have no say here

// Both refusals of pg_hba.conf carry the SQLSTATE of a role that does not exist, in the server's language; the file's name
// is in each translation of them (auth.c, ClientAuthentication).
bool refused_by_hba(std::string_view message) {
  return sqlstate_in(message) == invalid_authorization && message.find("pg_hba.conf") != std::string_view::npos;
}

// An answer that only comes after pg_hba.conf was read: a question for a password, or a refusal for another reason.
bool got_past_hba(PGconn* connection) {
  return PQstatus(connection) == CONNECTION_OK || PQconnectionNeedsPassword(connection) != 0 || !sqlstate_in(PQerrorMessage(connection)).empty();
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

std::optional<bool> admits(const Endpoint& endpoint, const Login& login, Duration timeout, const char* sslmode) {
  const std::string port = std::to_string(endpoint.port);
  constexpr std::array<const char*, 10> keywords{"host", "port", "user", "dbname", "sslmode", "sslrootcert", "sslcrl", "passfile", "gssencmode", nullptr};
  const std::array<const char*, 10> values{endpoint.host.c_str(),
                                           port.c_str(),
                                           login.user.c_str(),
                                           login.database.empty() ? nullptr : login.database.c_str(),
                                           sslmode,
                                           no_such_file,
                                           no_such_file,
                                           no_such_file,
                                           "disable",
                                           nullptr};
  const ConnectionPtr connection(PQconnectStartParams(keywords.data(), values.data(), 0));
  if (!connection || PQstatus(connection.get()) == CONNECTION_BAD) return std::nullopt;
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);   // only then is the SQLSTATE in the text
  connect(connection.get(), deadline_in(timeout));
  const std::string_view message = PQerrorMessage(connection.get());
  if (refused_by_hba(message)) return false;
  if (too_early(message) || !got_past_hba(connection.get())) return std::nullopt;
  return true;
}

}  // namespace

Admission ask_admission(const Endpoint& endpoint, const Login& login, Duration timeout) {
  return {.plaintext = admits(endpoint, login, timeout, "disable"), .tls = admits(endpoint, login, timeout, "require")};
}

}  // namespace pgcertd::postgres
