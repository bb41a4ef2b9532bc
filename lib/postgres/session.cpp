#include "postgres/session.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "base/text.hpp"
#include "postgres/conninfo.hpp"
#include "postgres/pg_ptr.hpp"
#include "postgres/resolve.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

struct Session::State {
  ConnectionPtr connection;
  std::shared_ptr<const Cancel> cancel;
  Duration statement_timeout{};
  bool broken = false;
};

namespace {

void ignore_notice(void*, const PGresult*) {}

tl::unexpected<Failure> ended(Wake wake, std::string_view doing) {
  if (wake == Wake::cancelled) return failure(ServerFault::other, Errc::cancelled, fmt::format("{}: the daemon is stopping", doing));
  return failure(ServerFault::timeout, Errc::timeout, fmt::format("{}: no answer in time", doing),
                 "look whether the server hangs: pg_lsclusters, its log, the state of its processes");
}

// Names are looked up here, because libpq would block in getaddrinfo(); each address becomes a target.
Expected<void> look_up_targets(Conninfo& conninfo, Deadline deadline, const Cancel& cancel) {
  std::vector<Target> out;
  for (const auto& target : conninfo.targets) {
    if (target.kind == Target::Kind::unix_socket || !target.hostaddr.empty() || is_numeric(target.host)) {
      out.push_back(target);
      continue;
    }
    auto addresses = resolve(target.host, 0, deadline, cancel);
    if (!addresses) {
      const auto fault = addresses.error().code == Errc::timeout ? ServerFault::timeout : ServerFault::down;
      return tl::unexpected(Failure{.fault = fault, .sqlstate = {}, .error = std::move(addresses).error()});
    }
    for (const auto& address : *addresses) {
      out.push_back(target);
      out.back().hostaddr = address.text;
    }
  }
  conninfo.targets = std::move(out);
  return {};
}

Expected<ConnectionPtr> start(const Conninfo& conninfo, const PasswordSource& password) {
  const auto parameters = conninfo.parameters();
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  std::string secret;
  if (password) {
    auto given = password();
    if (!given) return tl::unexpected(Failure{.fault = ServerFault::auth_failed, .sqlstate = {}, .error = std::move(given).error().within("reading the password")});
    secret = given->view();
    keywords.push_back("password");
    values.push_back(secret.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  ConnectionPtr connection(PQconnectStartParams(keywords.data(), values.data(), 0));
  wipe(secret);
  if (!connection) return failure(ServerFault::other, Errc::internal, "PQconnectStartParams: out of memory");
  // Verbose: the text holds the SQLSTATE, which libpq gives for a failed connection in no other way.
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
  PQsetNoticeReceiver(connection.get(), ignore_notice, nullptr);
  return connection;
}

// `reached`: a connection stood, so that something listens there.
ServerFault fault_of_connection(PGconn* connection, std::string_view message, bool reached) {
  if (const auto state = sqlstate_in(message); !state.empty()) return fault_of(state);
  if (PQconnectionNeedsPassword(connection) != 0) return ServerFault::auth_failed;
  const auto says = [message](std::string_view text) { return message.find(text) != std::string_view::npos; };
  if (says("requirepeer")) return ServerFault::wrong_peer;
  if (!reached) {
    if (says(std::strerror(EAGAIN)) || says(std::strerror(ETIMEDOUT))) return ServerFault::timeout;
    return says(std::strerror(EACCES)) ? ServerFault::other : ServerFault::down;
  }
  for (const auto* text : {"invalid response to SSL negotiation", "expected authentication request", "lost synchronization",
                           "unexpected response from server", "unrecognized message type", "invalid message"})
    if (says(text)) return ServerFault::not_postgres;
  // An accepted connection that closes without a word: a forwarder in front of a server that is down, or one that stops.
  return says("closed the connection") || says("Connection reset") ? ServerFault::down : ServerFault::other;
}

std::string remedy_for(ServerFault fault) {
  switch (fault) {
    case ServerFault::down: return "start PostgreSQL, or correct host and port in conninfo";
    case ServerFault::auth_failed: return "pgcertctl setup sql prints the role; look at pg_hba.conf and at password in the configuration";
    case ServerFault::too_many_connections: return "raise max_connections or end sessions; pgcertd needs one";
    case ServerFault::not_postgres: return "correct host and port in conninfo: something else listens there";
    default: return {};
  }
}

tl::unexpected<Failure> connection_failure(PGconn* connection, bool reached) {
  const std::string message = PQerrorMessage(connection);
  const auto fault = fault_of_connection(connection, message, reached);
  const auto code = fault == ServerFault::auth_failed ? Errc::permission : fault == ServerFault::timeout ? Errc::timeout : Errc::network;
  auto out = failure(fault, code, one_line(message), remedy_for(fault));
  out.value().sqlstate = sqlstate_in(message);
  return out;
}

std::optional<uid_t> peer_of(const PGconn* connection) {
  const int fd = PQsocket(connection);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (fd < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.ss_family != AF_UNIX) return std::nullopt;
  ucred peer{};
  length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return std::nullopt;
  return peer.uid;
}

// Before anything is sent: whoever holds the socket's path must be the server's user.
Expected<void> check_peer(const PGconn* connection, const SessionOptions& options) {
  const auto peer = peer_of(connection);
  // 0 with no process is a socket that is not connected yet.
  if (!peer || !options.server_uid || *peer == *options.server_uid || *peer == static_cast<uid_t>(-1)) return {};
  return failure(ServerFault::wrong_peer, Errc::refused,
                 fmt::format("the socket belongs to user id {}, and the data directory to {}", *peer, *options.server_uid),
                 "find out who listens there (ss -xlp), or set server_user for the cluster");
}

bool is_reached(ConnStatusType status) {
  return status != CONNECTION_BAD && status != CONNECTION_STARTED && status != CONNECTION_NEEDED;
}

Expected<void> connect(PGconn* connection, const SessionOptions& options, Deadline deadline, const Cancel& cancel) {
  bool reached = false;
  if (PQstatus(connection) == CONNECTION_BAD) return connection_failure(connection, reached);
  for (auto next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;) {
    const auto wake = wait_for(PQsocket(connection), next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline, cancel);
    if (wake != Wake::ready) return ended(wake, "connecting to PostgreSQL");
    if (auto peer = check_peer(connection, options); !peer) return peer;
    next = PQconnectPoll(connection);
    reached = reached || is_reached(PQstatus(connection));
    if (next == PGRES_POLLING_FAILED) return connection_failure(connection, reached);
  }
  return {};
}

Expected<void> flush(PGconn* connection, Deadline deadline, const Cancel& cancel) {
  for (;;) {
    const int left = PQflush(connection);
    if (left == 0) return {};
    if (left < 0) return failure(ServerFault::down, Errc::network, one_line(PQerrorMessage(connection)));
    const auto wake = wait_for(PQsocket(connection), POLLIN | POLLOUT, deadline, cancel);
    if (wake != Wake::ready) return ended(wake, "sending a statement");
    if (PQconsumeInput(connection) == 0) return failure(ServerFault::down, Errc::network, one_line(PQerrorMessage(connection)));
  }
}

Expected<ResultPtr> next_result(PGconn* connection, Deadline deadline, const Cancel& cancel) {
  while (PQisBusy(connection) != 0) {
    const auto wake = wait_for(PQsocket(connection), POLLIN, deadline, cancel);
    if (wake != Wake::ready) return ended(wake, "waiting for a statement");
    if (PQconsumeInput(connection) == 0) return failure(ServerFault::down, Errc::network, one_line(PQerrorMessage(connection)));
  }
  return ResultPtr(PQgetResult(connection));
}

Rows rows_of(const PGresult* result) {
  Rows out;
  for (int column = 0; column < PQnfields(result); ++column) out.columns.emplace_back(PQfname(result, column));
  for (int row = 0; row < PQntuples(result); ++row) {
    auto& cells = out.rows.emplace_back();
    for (int column = 0; column < PQnfields(result); ++column) {
      if (PQgetisnull(result, row, column) != 0) cells.emplace_back(std::nullopt);
      else cells.emplace_back(PQgetvalue(result, row, column));
    }
  }
  return out;
}

Failure statement_failure(const PGresult* result) {
  const char* field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const std::string state = field != nullptr ? field : "";
  const auto code = state == "42501" ? Errc::permission : state == "0A000" ? Errc::refused : state == "57014" ? Errc::timeout : Errc::invalid;
  const auto fault = state.empty() ? ServerFault::down : state == "57014" ? ServerFault::timeout : fault_of(state);
  return {.fault = fault, .sqlstate = state, .error = make_error(state.empty() ? Errc::network : code, one_line(PQresultErrorMessage(result)))};
}

}  // namespace

std::string Rows::text(std::size_t row, std::string_view column) const {
  const auto found = std::ranges::find(columns, column);
  if (row >= rows.size() || found == columns.end()) return {};
  return rows[row][static_cast<std::size_t>(found - columns.begin())].value_or("");
}

Session::Session(std::unique_ptr<State> state) : state_(std::move(state)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Expected<Session> Session::open(const SessionOptions& options, std::shared_ptr<const Cancel> cancel) {
  const auto deadline = deadline_in(options.connect_timeout);
  auto conninfo = parse_conninfo(options.conninfo, options.server_user);
  if (!conninfo) return tl::unexpected(std::move(conninfo).error());
  if (auto found = look_up_targets(*conninfo, deadline, *cancel); !found) return tl::unexpected(std::move(found).error());
  auto connection = start(*conninfo, options.password);
  if (!connection) return tl::unexpected(std::move(connection).error());
  if (auto connected = connect(connection->get(), options, deadline, *cancel); !connected)
    return tl::unexpected(std::move(connected).error());
  if (PQsetnonblocking(connection->get(), 1) != 0) return failure(ServerFault::other, Errc::internal, "PQsetnonblocking failed");
  PQsetErrorVerbosity(connection->get(), PQERRORS_DEFAULT);
  return Session(std::make_unique<State>(State{.connection = std::move(*connection),
                                               .cancel = std::move(cancel),
                                               .statement_timeout = options.statement_timeout,
                                               .broken = false}));
}

Expected<std::vector<Rows>> Session::query(const std::string& sql) {
  PGconn* const connection = state_->connection.get();
  const auto deadline = deadline_in(state_->statement_timeout);
  const auto lost = [this](Failure why) {
    state_->broken = true;
    return tl::unexpected(std::move(why));
  };
  if (PQsendQuery(connection, sql.c_str()) == 0)
    return lost(failure(ServerFault::down, Errc::network, one_line(PQerrorMessage(connection))).value());
  if (auto sent = flush(connection, deadline, *state_->cancel); !sent) return lost(std::move(sent).error());
  std::vector<Rows> out;
  std::optional<Failure> refused;
  for (;;) {
    auto result = next_result(connection, deadline, *state_->cancel);
    if (!result) return lost(std::move(result).error());
    if (!*result) break;
    const auto status = PQresultStatus(result->get());
    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) out.push_back(rows_of(result->get()));
    else if (status == PGRES_FATAL_ERROR) refused = statement_failure(result->get());
    else return lost(failure(ServerFault::not_postgres, Errc::network, "the server answered a statement with COPY").value());
  }
  if (broken()) state_->broken = true;
  if (refused) return tl::unexpected(std::move(*refused));
  return out;
}

Expected<std::string> Session::literal(const std::string& text) const {
  const TextPtr quoted(PQescapeLiteral(state_->connection.get(), text.data(), text.size()));
  if (!quoted) return failure(ServerFault::other, Errc::invalid, one_line(PQerrorMessage(state_->connection.get())));
  return std::string(quoted.get());
}

int Session::server_version_num() const { return PQserverVersion(state_->connection.get()); }
std::optional<uid_t> Session::peer_uid() const { return peer_of(state_->connection.get()); }
bool Session::broken() const { return state_->broken || PQstatus(state_->connection.get()) != CONNECTION_OK; }

}  // namespace pgcertd::postgres
