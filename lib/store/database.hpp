// Database and Statement: SQLite behind Result. The file is 0600 from its first moment; a symbolic link is never followed.
// One connection a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::store {

// A prepared statement with its parameters bound. Destroy it before its transaction ends.
class Statement {
 public:
  struct Handle;
  explicit Statement(std::unique_ptr<Handle> handle);
  Statement(Statement&&) noexcept;
  Statement& operator=(Statement&&) noexcept;
  ~Statement();

  // By position, from 1. A failure shows at the next step().
  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  Statement& bind(int index, TimePoint at) { return bind(index, static_cast<std::int64_t>(at.time_since_epoch().count())); }
  Statement& bind_blob(int index, std::string_view bytes);

  Result<bool> step();                 // true: a row is there
  Result<void> run();                  // to the end, then ready to be bound anew
  // Of the row that is there, from 0.
  [[nodiscard]] bool is_null(int column) const;
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string text(int column) const;    // also a blob
  [[nodiscard]] TimePoint time(int column) const { return TimePoint{Duration{integer(column)}}; }
  [[nodiscard]] std::optional<TimePoint> time_or_null(int column) const { return is_null(column) ? std::nullopt : std::optional(time(column)); }

 private:
  std::unique_ptr<Handle> handle_;
};

struct DatabaseOptions {
  enum class Create : std::uint8_t { never, if_missing, must_be_new, read_only };   // read_only: nothing is written, not even beside it
  enum class Journal : std::uint8_t {
    wal,        // several connections, durable at each commit
    rollback,   // journal_mode = DELETE, synchronous = EXTRA: one file that can be copied, may live on a stick
  };
  Create create = Create::never;
  Journal journal = Journal::wal;
  Duration busy_timeout = std::chrono::seconds{5};
};

class Database {
 public:
  static Result<Database> open(const std::string& path, const DatabaseOptions& options);
  Database(Database&&) noexcept;
  Database& operator=(Database&&) noexcept;
  ~Database();

  [[nodiscard]] const std::string& path() const;
  Result<void> execute(const std::string& script);
  Result<Statement> prepare(std::string_view sql);
  // BEGIN IMMEDIATE, body, COMMIT; rolled back when the body or the commit fails.
  Result<void> transaction(const std::function<Result<void>()>& body);
  [[nodiscard]] std::int64_t last_insert_id() const;
  [[nodiscard]] std::int64_t changes() const;          // rows that the last statement changed
  // Another one whenever something was written in between, by this connection or by another: until then what was read is still so.
  struct Mark {
    std::int64_t own = 0, others = 0;
    bool operator==(const Mark&) const = default;
  };
  Result<Mark> mark();

  // What is kept in it, and in which version of its schema (application_id, user_version).
  struct Schema {
    std::int32_t application_id = 0;
    int version = 0;
    std::string_view kind;             // "state database", for errors
    std::string_view create;           // DDL of `version`
  };
  // Refuses a database of another kind, of a newer pgcertd, or with nothing in it.
  Result<void> check_schema(const Schema& schema);
  // The same, but one with nothing in it gets the schema.
  Result<void> ensure_schema(const Schema& schema);
  // PRAGMA quick_check: an error when pages are damaged or missing.
  Result<void> check_integrity();

 private:
  struct Handle;
  explicit Database(std::unique_ptr<Handle> handle);
  std::unique_ptr<Handle> handle_;
};

}  // namespace pgcertd::store
