#include "store/database.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <deque>

#include "base/unique_fd.hpp"

namespace pgcertd::store {

namespace {

// What was prepared and is not in use: to parse a statement anew costs as much as to carry it out.
class Prepared {
 public:
  ~Prepared() { close(); }
  sqlite3_stmt* take(std::string_view sql) {
    const auto found = std::ranges::find(idle_, sql, &Idle::sql);
    if (found == idle_.end()) return nullptr;
    sqlite3_stmt* const stmt = found->stmt;
    idle_.erase(found);
    return stmt;
  }
  // Its locks end here, and what was bound to it is forgotten.
  void give_back(sqlite3_stmt* stmt) {
    (void)sqlite3_reset(stmt);                         // repeats the last step's error, which was returned then
    (void)sqlite3_clear_bindings(stmt);
    if (closed_) return (void)sqlite3_finalize(stmt);
    idle_.push_front({sqlite3_sql(stmt), stmt});
    if (idle_.size() > kept) drop_last();
  }
  void close() {
    while (!idle_.empty()) drop_last();
    closed_ = true;
  }

 private:
  struct Idle {
    std::string_view sql;                              // the statement's own copy
    sqlite3_stmt* stmt;
  };
  static constexpr std::size_t kept = 16;              // some 3 KiB each
  void drop_last() {
    (void)sqlite3_finalize(idle_.back().stmt);
    idle_.pop_back();
  }

  std::deque<Idle> idle_;                              // the last one used first
  bool closed_ = false;
};

}  // namespace

struct Statement::Handle {
  sqlite3* db = nullptr;
  sqlite3_stmt* stmt = nullptr;
  int bind_failure = SQLITE_OK;
  std::string path;
  std::shared_ptr<Prepared> prepared;

  ~Handle() {
    if (stmt != nullptr) prepared->give_back(stmt);
  }
};

struct Database::Handle {
  sqlite3* db = nullptr;
  std::string path;
  std::shared_ptr<Prepared> prepared = std::make_shared<Prepared>();

  ~Handle() {
    prepared->close();
    (void)sqlite3_close_v2(db);                        // v2 waits for statements that outlive it
  }
};

namespace {

// Of pages, for each connection: SQLite's own 2 MiB fill with the history of events, of which the newest alone are asked for.
constexpr int cache_kib = 128;

Errc errc_of(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY: case SQLITE_LOCKED: return Errc::busy;
    case SQLITE_FULL: return Errc::no_space;
    case SQLITE_READONLY: return Errc::read_only;
    case SQLITE_PERM: case SQLITE_AUTH: return Errc::permission;
    default: return Errc::database;
  }
}

std::string_view remedy_of(int code) {
  switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "restore the file from a backup, together with any file of the same name that ends in -wal or -journal";
    case SQLITE_READONLY: return "make the file and its directory writable for the user that pgcertd runs as";
    case SQLITE_FULL: return "free space on the file system";
    case SQLITE_BUSY: return "see which other process has the file open (fuser -v FILE)";
    default: return "";
  }
}

// Why no file can be made beside the database. SQLite's own errno is that of its last try: to open what it could not make.
int why_no_new_file(std::string_view path) {
  const std::string parent{path.substr(0, path.rfind('/') + 1)};
  const UniqueFd fd(::open(parent.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600));
  return !fd && (errno == ENOSPC || errno == EDQUOT || errno == EROFS || errno == EACCES) ? errno : 0;
}

Error database_error(sqlite3* db, int code, std::string_view call, std::string_view path) {
  int saved_errno = db != nullptr ? sqlite3_system_errno(db) : 0;
  const int kind = code & 0xff;
  if (kind == SQLITE_CANTOPEN)
    if (const int why = why_no_new_file(path); why != 0) saved_errno = why;
  if (saved_errno != 0 && (kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN)) return errno_error(call, path, saved_errno);
  const char* text = db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return make_error(errc_of(code), fmt::format("{} \"{}\": {}", call, path, text), std::string(remedy_of(code)));
}

// SQLITE_OPEN_NOFOLLOW refuses a link anywhere in the path, /var/run included; only the last name is a stranger's to plant.
Result<std::string> with_real_parent(const std::string& path) {
  const auto slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(parent.c_str(), nullptr), &std::free);
  if (!real) return fail(errno_error("realpath", parent, errno));
  return std::string(real.get()) + "/" + path.substr(slash == std::string::npos ? 0 : slash + 1);
}

Result<void> sync_parent(const std::string& path) {
  const std::string parent = path.substr(0, path.rfind('/') + 1);
  const UniqueFd fd(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(errno_error("open", parent, errno));
  if (::fsync(fd.get()) != 0) return fail(errno_error("fsync", parent, errno));
  return {};
}

// SQLite would create 0644 less the umask. It gives journals and WAL the mode of the database, so that this one call is
// enough, and no process-wide umask has to be changed while other threads make files.
Result<void> create_file(const std::string& path, DatabaseOptions::Create create) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd && errno == EEXIST && create == DatabaseOptions::Create::if_missing) return {};
  if (!fd) return fail(errno_error("open", path, errno));
  return sync_parent(path);
}

Result<void> check_regular(const std::string& path) {
  struct stat seen {};
  if (::lstat(path.c_str(), &seen) != 0) return fail(errno_error("lstat", path, errno));
  if (S_ISREG(seen.st_mode)) return {};
  return fail(Errc::invalid,
              fmt::format("\"{}\" is {}, not a database file", path, S_ISLNK(seen.st_mode) ? "a symbolic link" : "no regular file"),
              "name the file itself; links to a database are not followed");
}

// As SQLite's URIs have it. Without a WAL nobody has it open, and it is read as the file that it is: a WAL would be made anew else.
std::string read_only_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') uri += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    else uri += c;
  }
  struct stat seen {};
  return uri + (::lstat((path + "-wal").c_str(), &seen) != 0 && errno == ENOENT ? "?immutable=1" : "?mode=ro");
}

Result<void> set_journal(Database& database, bool wal) {
  PGCERTD_TRY(Statement journal, database.prepare(wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE"));
  PGCERTD_CHECK(journal.step());
  if (const std::string mode = journal.text(0); mode != (wal ? "wal" : "delete"))
    return fail(Errc::database,
                fmt::format("\"{}\": its file system allows no journal_mode = {} (it is {})", database.path(), wal ? "WAL" : "DELETE", mode),
                "move it to a local file system that supports shared memory and locks");
  return {};
}

// A connection whose WAL could only be opened for reading would take it for read-only as long as it lives, whatever the file
// system allows by then; and while it is open, so would others of this process.
Result<void> check_writable(Database& database) {
  const auto begun = database.execute("BEGIN IMMEDIATE");
  if (begun) return database.execute("ROLLBACK");
  if (begun.error().code == Errc::read_only) return fail(begun.error());
  return {};   // another one writes just now
}

}  // namespace

Statement::Statement(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Statement::Statement(Statement&&) noexcept = default;
Statement& Statement::operator=(Statement&&) noexcept = default;
Statement::~Statement() = default;

Statement& Statement::bind(int index, std::string_view text) {
  const char* bytes = text.data() != nullptr ? text.data() : "";     // a null pointer would be bound as NULL
  const int code = sqlite3_bind_text64(handle_->stmt, index, bytes, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) handle_->bind_failure = code;
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  const int code = sqlite3_bind_int64(handle_->stmt, index, number);
  if (code != SQLITE_OK) handle_->bind_failure = code;
  return *this;
}

Statement& Statement::bind_blob(int index, std::string_view bytes) {
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  const int code = sqlite3_bind_blob64(handle_->stmt, index, data, bytes.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) handle_->bind_failure = code;
  return *this;
}

Result<bool> Statement::step() {
  if (handle_->bind_failure != SQLITE_OK) return fail(database_error(handle_->db, handle_->bind_failure, "bind", handle_->path));
  const int code = sqlite3_step(handle_->stmt);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return fail(database_error(handle_->db, code, "query", handle_->path));
}

Result<void> Statement::run() {
  for (;;) {
    PGCERTD_TRY(const bool row, step());
    if (!row) break;
  }
  (void)sqlite3_reset(handle_->stmt);                  // repeats the result of step(), which was good
  return {};
}

bool Statement::is_null(int column) const { return sqlite3_column_type(handle_->stmt, column) == SQLITE_NULL; }
std::int64_t Statement::integer(int column) const { return sqlite3_column_int64(handle_->stmt, column); }

std::string Statement::text(int column) const {
  const void* bytes = sqlite3_column_blob(handle_->stmt, column);
  const int size = sqlite3_column_bytes(handle_->stmt, column);
  return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

Database::Database(std::unique_ptr<Handle> handle) : handle_(std::move(handle)) {}
Database::Database(Database&&) noexcept = default;
Database& Database::operator=(Database&&) noexcept = default;
Database::~Database() = default;

Result<Database> Database::open(const std::string& path, const DatabaseOptions& options) {
  PGCERTD_TRY(const std::string real, with_real_parent(path));
  const bool read_only = options.create == DatabaseOptions::Create::read_only;
  if (options.create != DatabaseOptions::Create::never && !read_only) PGCERTD_CHECK(create_file(real, options.create));
  PGCERTD_CHECK(check_regular(real));

  auto handle = std::make_unique<Handle>();
  handle->path = path;
  const int flags = (read_only ? SQLITE_OPEN_READONLY | SQLITE_OPEN_URI : SQLITE_OPEN_READWRITE) | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (const int code = sqlite3_open_v2(read_only ? read_only_uri(real).c_str() : real.c_str(), &handle->db, flags, nullptr); code != SQLITE_OK)
    return fail(database_error(handle->db, code, "open", path));
  // SQLite falls back to read-only in silence.
  if (!read_only && sqlite3_db_readonly(handle->db, "main") == 1)
    return fail(Errc::read_only, fmt::format("open \"{}\": it may only be read", path), std::string(remedy_of(SQLITE_READONLY)));
  (void)sqlite3_busy_timeout(handle->db, static_cast<int>(options.busy_timeout.count()));
  (void)sqlite3_db_config(handle->db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  (void)sqlite3_db_config(handle->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);

  Database database(std::move(handle));
  PGCERTD_CHECK(database.execute(fmt::format("PRAGMA cache_size = -{}; PRAGMA cache_spill = OFF;", cache_kib)));
  if (read_only) return database;
  const bool wal = options.journal == DatabaseOptions::Journal::wal;
  PGCERTD_CHECK(database.execute(fmt::format("PRAGMA foreign_keys = ON; PRAGMA synchronous = {};", wal ? "FULL" : "EXTRA")));
  PGCERTD_CHECK(set_journal(database, wal));
  if (wal) PGCERTD_CHECK(check_writable(database));
  return database;
}

const std::string& Database::path() const { return handle_->path; }

Result<void> Database::execute(const std::string& script) {
  const int code = sqlite3_exec(handle_->db, script.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return fail(database_error(handle_->db, code, "query", handle_->path));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  auto statement = std::make_unique<Statement::Handle>();
  statement->db = handle_->db;
  statement->path = handle_->path;
  statement->prepared = handle_->prepared;
  statement->stmt = handle_->prepared->take(sql);
  if (statement->stmt != nullptr) return Statement(std::move(statement));
  const int code = sqlite3_prepare_v2(handle_->db, sql.data(), static_cast<int>(sql.size()), &statement->stmt, nullptr);
  if (code != SQLITE_OK) return fail(database_error(handle_->db, code, "query", handle_->path));
  return Statement(std::move(statement));
}

Result<void> Database::transaction(const std::function<Result<void>()>& body) {
  const auto run = [this](std::string_view sql) -> Result<void> {
    PGCERTD_TRY(Statement statement, prepare(sql));
    return statement.run();
  };
  PGCERTD_CHECK(run("BEGIN IMMEDIATE"));
  Result<void> result = body();
  if (result) result = run("COMMIT");
  if (!result && sqlite3_get_autocommit(handle_->db) == 0) (void)execute("ROLLBACK");   // the first failure is the one to tell
  return result;
}

std::int64_t Database::last_insert_id() const { return sqlite3_last_insert_rowid(handle_->db); }
std::int64_t Database::changes() const { return sqlite3_changes64(handle_->db); }

Result<Database::Mark> Database::mark() {
  PGCERTD_TRY(Statement query, prepare("PRAGMA data_version"));
  PGCERTD_CHECK(query.step());
  return Mark{sqlite3_total_changes64(handle_->db), query.integer(0)};
}

namespace {

struct Marks {
  std::int64_t application_id = 0, version = 0, objects = 0;
  [[nodiscard]] bool blank() const { return application_id == 0 && version == 0 && objects == 0; }
};

Result<Marks> read_marks(Database& database) {
  PGCERTD_TRY(Statement query, database.prepare("SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) "
                                                "FROM pragma_application_id, pragma_user_version"));
  PGCERTD_CHECK(query.step());
  return Marks{.application_id = query.integer(0), .version = query.integer(1), .objects = query.integer(2)};
}

Result<void> judge(const Marks& marks, const Database::Schema& schema, const std::string& path) {
  if (marks.blank())
    return fail(Errc::invalid, fmt::format("\"{}\" is empty, not a {}", path, schema.kind), "restore the file from a backup");
  if (marks.application_id != schema.application_id)
    return fail(Errc::invalid, fmt::format("\"{}\" is an SQLite file of something else, not a {}", path, schema.kind),
                "check the path in the configuration; pgcertd changes no file that is not its own");
  if (marks.version > schema.version)
    return fail(Errc::refused,
                fmt::format("\"{}\" was written by a newer pgcertd: schema {} where this one knows {}", path, marks.version,
                            schema.version),
                "install the newer pgcertd again, or restore the file from before the upgrade");
  if (marks.version < schema.version)
    return fail(Errc::invalid, fmt::format("\"{}\" has schema {}, which was never released", path, marks.version),
                "restore the file from a backup");
  return {};
}

}  // namespace

Result<void> Database::check_schema(const Schema& schema) {
  PGCERTD_TRY(const Marks marks, read_marks(*this));
  return judge(marks, schema, path());
}

Result<void> Database::ensure_schema(const Schema& schema) {
  PGCERTD_TRY(const Marks marks, read_marks(*this));
  if (!marks.blank()) return judge(marks, schema, path());
  return transaction([&]() -> Result<void> {
    // Another connection may have been first.
    PGCERTD_TRY(const Marks again, read_marks(*this));
    if (!again.blank()) return judge(again, schema, path());
    PGCERTD_CHECK(execute(std::string(schema.create)));
    return execute(fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {};", schema.application_id, schema.version));
  });
}

Result<void> Database::check_integrity() {
  PGCERTD_TRY(Statement query, prepare("PRAGMA quick_check(1)"));
  PGCERTD_CHECK(query.step());
  if (const std::string verdict = query.text(0); verdict != "ok")
    return fail(Errc::database, fmt::format("\"{}\" is damaged: {}", path(), verdict), std::string(remedy_of(SQLITE_CORRUPT)));
  return {};
}

}  // namespace pgcertd::store
