// Session: one libpq connection in which nothing blocks longer than its deadline, and which Cancel ends at once.
// After a failure of the connection (broken()) it is only good for being dropped. One thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "postgres/cancel.hpp"
#include "postgres/failure.hpp"

namespace pgcertd::postgres {

using PasswordSource = std::function<Result<Secret>()>;

struct SessionOptions {
  std::string conninfo{};
  PasswordSource password{};               // may be empty
  std::string server_user{};               // requirepeer, when known
  std::optional<uid_t> server_uid{};       // the same for our own look at SO_PEERCRED
  Duration connect_timeout = std::chrono::seconds{5};
  Duration statement_timeout = std::chrono::seconds{5};
};

// One result set. A null is nullopt.
struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
  // Of row `row`; empty text for null or an unknown column.
  [[nodiscard]] std::string text(std::size_t row, std::string_view column) const;
};

class Session {
 public:
  static Expected<Session> open(const SessionOptions& options, std::shared_ptr<const Cancel> cancel);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  // One or several statements in one round trip; a result set for each. Several are one transaction.
  Expected<std::vector<Rows>> query(const std::string& sql);
  [[nodiscard]] Expected<std::string> literal(const std::string& text) const;
  [[nodiscard]] int server_version_num() const;
  // The user id of the process at the other end of a Unix socket; nullopt over TCP.
  [[nodiscard]] std::optional<uid_t> peer_uid() const;
  [[nodiscard]] bool broken() const;

 private:
  struct State;
  explicit Session(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pgcertd::postgres
