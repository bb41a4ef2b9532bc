#include "store/registry.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>

namespace pgcertd::store {
namespace {

constexpr Database::Schema registry_schema{
    .application_id = 0x70676372,                      // "pgcr"
    .version = 1,
    .kind = "CA registry",
    .create = R"(
CREATE TABLE certificate (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  serial TEXT NOT NULL UNIQUE,
  spki_sha256 TEXT NOT NULL,
  profile TEXT NOT NULL,
  recorded_at INTEGER NOT NULL,
  der BLOB, issued_at INTEGER, not_after INTEGER,
  revoked_at INTEGER, reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX certificate_spki ON certificate (spki_sha256, profile);
CREATE INDEX certificate_revoked ON certificate (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE TABLE crl (one INTEGER PRIMARY KEY CHECK (one = 1), number INTEGER NOT NULL) STRICT;
INSERT INTO crl VALUES (1, 0);
CREATE TRIGGER certificate_stays BEFORE DELETE ON certificate
  BEGIN SELECT RAISE(ABORT, 'a row of the registry is never removed'); END;
CREATE TRIGGER revocation_is_final BEFORE UPDATE OF revoked_at, reason ON certificate WHEN OLD.revoked_at IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'a revocation is final'); END;
CREATE TRIGGER certificate_is_final BEFORE UPDATE OF serial, spki_sha256, profile, der ON certificate WHEN OLD.der IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'a recorded certificate is final'); END;
CREATE TRIGGER crl_number_rises BEFORE UPDATE ON crl WHEN NEW.number <= OLD.number
  BEGIN SELECT RAISE(ABORT, 'a CRL number only rises'); END;
)"};

// What is counted apart; a profile's further words are what was asked for.
constexpr std::array counted_profiles{"server", "client"};
constexpr std::array counted_reasons{"keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation", "privilegeWithdrawn"};

constexpr std::string_view columns =
    "serial, spki_sha256, profile, recorded_at, coalesce(der, x''), issued_at, not_after, revoked_at, reason";

RegistryEntry entry_of(const Statement& row) {
  return RegistryEntry{.serial = row.text(0),
                       .spki_sha256 = row.text(1),
                       .profile = row.text(2),
                       .recorded_at = row.time(3),
                       .der = row.text(4),
                       .issued_at = row.time_or_null(5),
                       .not_after = row.time_or_null(6),
                       .revoked_at = row.time_or_null(7),
                       .reason = row.text(8)};
}

Result<std::vector<RegistryEntry>> rows(Statement& query) {
  std::vector<RegistryEntry> entries;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return entries;
    entries.push_back(entry_of(query));
  }
}

std::optional<RegistryEntry> first_of(std::vector<RegistryEntry> entries) {
  if (entries.empty()) return std::nullopt;
  return std::move(entries.front());
}

constexpr DatabaseOptions options_for(DatabaseOptions::Create create) {
  DatabaseOptions options;
  options.create = create;
  options.journal = DatabaseOptions::Journal::rollback;
  return options;
}

}  // namespace

Result<Registry> Registry::create(const std::string& path) {
  PGCERTD_TRY(Database database, Database::open(path, options_for(DatabaseOptions::Create::must_be_new)));
  PGCERTD_CHECK(database.ensure_schema(registry_schema));
  return finish(std::move(database));
}

Result<Registry> Registry::open(const std::string& path) {
  auto opened = Database::open(path, options_for(DatabaseOptions::Create::never));
  if (!opened && opened.error().code == Errc::not_found)
    return fail(Errc::not_found,
                fmt::format("the registry \"{}\" is missing: which serials and CRL numbers were used is not known", path),
                "restore registry.db from the newest backup of the CA's directory");
  if (!opened) return fail(std::move(opened).error());
  PGCERTD_CHECK(opened->check_schema(registry_schema));
  PGCERTD_CHECK(opened->check_integrity());
  return finish(std::move(*opened));
}

Result<Registry> Registry::open_or_create(const std::string& path) {
  PGCERTD_TRY(Database database, Database::open(path, options_for(DatabaseOptions::Create::if_missing)));
  PGCERTD_CHECK(database.ensure_schema(registry_schema));
  PGCERTD_CHECK(database.check_integrity());
  return finish(std::move(database));
}

Result<Registry> Registry::finish(Database database) {
  struct stat seen {};
  if (::stat(database.path().c_str(), &seen) != 0) return fail(errno_error("stat", database.path(), errno));
  return Registry(std::move(database), seen.st_dev, seen.st_ino);
}

bool Registry::matches_disk() const {
  struct stat seen {};
  return ::stat(database_.path().c_str(), &seen) == 0 && seen.st_dev == device_ && seen.st_ino == inode_;
}

Result<void> Registry::record_serial(const std::string& serial, const std::string& spki_sha256, const std::string& profile,
                                     TimePoint now) {
  return insert_serial({serial, spki_sha256, profile}, now);
}

Result<void> Registry::record_signed(const std::vector<NewSerial>& serials, const std::vector<NewCertificate>& certificates, TimePoint now) {
  return database_.transaction([&]() -> Result<void> {
    for (const NewSerial& one : serials) PGCERTD_CHECK(insert_serial(one, now));
    return add_certificates(certificates, now);
  });
}

// Also within another transaction.
Result<void> Registry::insert_serial(const NewSerial& serial, TimePoint now) {
  PGCERTD_TRY(Statement insert,
              database_.prepare("INSERT INTO certificate (serial, spki_sha256, profile, recorded_at) VALUES (?, ?, ?, ?)"));
  return insert.bind(1, serial.serial).bind(2, serial.spki_sha256).bind(3, serial.profile).bind(4, now).run();
}

Result<void> Registry::record_certificate(const std::string& serial, const std::string& der, TimePoint not_after, TimePoint now) {
  return add_certificates({{serial, der, not_after}}, now);
}

// Each by one statement, which needs no transaction of its own.
Result<void> Registry::add_certificates(const std::vector<NewCertificate>& certificates, TimePoint now) {
  PGCERTD_TRY(Statement update,
              database_.prepare("UPDATE certificate SET der = ?, not_after = ?, issued_at = ? WHERE serial = ? AND der IS NULL"));
  for (const NewCertificate& one : certificates) {
    PGCERTD_CHECK(update.bind_blob(1, one.der).bind(2, one.not_after).bind(3, now).bind(4, one.serial).run());
    if (database_.changes() != 1)
      return fail(Errc::invalid,
                  fmt::format("serial {} is not recorded in \"{}\", or has its certificate already", one.serial, database_.path()));
  }
  return {};
}

Result<std::vector<RegistryEntry>> Registry::select(const std::string& condition, const std::vector<std::string>& values) {
  PGCERTD_TRY(Statement query, database_.prepare(fmt::format("SELECT {} FROM certificate {}", columns, condition)));
  for (std::size_t i = 0; i < values.size(); ++i) query.bind(static_cast<int>(i) + 1, values[i]);
  return rows(query);
}

Result<std::optional<RegistryEntry>> Registry::find(const std::string& serial) {
  PGCERTD_TRY(auto entries, select("WHERE serial = ?", {serial}));
  return first_of(std::move(entries));
}

Result<std::optional<RegistryEntry>> Registry::find(const std::string& spki_sha256, const std::string& profile) {
  PGCERTD_TRY(auto entries,
              select("WHERE spki_sha256 = ? AND profile = ? AND der IS NOT NULL ORDER BY id DESC LIMIT 1", {spki_sha256, profile}));
  return first_of(std::move(entries));
}

Result<std::optional<RegistryEntry>> Registry::find_by_spki(const std::string& spki_sha256) {
  PGCERTD_TRY(auto entries, select("WHERE spki_sha256 = ? AND der IS NOT NULL ORDER BY id DESC LIMIT 1", {spki_sha256}));
  return first_of(std::move(entries));
}

Result<bool> Registry::is_compromised(const std::string& spki_sha256) {
  PGCERTD_TRY(const auto entries, select("WHERE spki_sha256 = ? AND revoked_at IS NOT NULL AND reason = 'keyCompromise' LIMIT 1", {spki_sha256}));
  return !entries.empty();
}

Result<std::vector<RegistryEntry>> Registry::list() { return select("ORDER BY id", {}); }

Result<void> Registry::for_each_revoked(const SeeRevocation& see) {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT serial, revoked_at, reason, not_after FROM certificate WHERE revoked_at IS NOT NULL ORDER BY revoked_at, id"));
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return {};
    PGCERTD_CHECK(see({.serial = query.text(0), .revoked_at = query.time(1), .reason = query.text(2), .not_after = query.time_or_null(3)}));
  }
}

// One pass and no sorting: there may be a million rows.
Result<Registry::Counted> Registry::counted() {
  PGCERTD_TRY(const Database::Mark mark, database_.mark());
  if (counted_ && counted_->mark == mark) return *counted_;
  std::string sql = "SELECT count(revoked_at), count(der) FILTER (WHERE counts), count(revoked_at) FILTER (WHERE counts)";
  for (const char* profile : counted_profiles) sql += fmt::format(", count(der) FILTER (WHERE counts AND profile LIKE '{}%')", profile);
  for (const char* reason : counted_reasons) sql += fmt::format(", count(revoked_at) FILTER (WHERE counts AND reason IS '{}')", reason);
  PGCERTD_TRY(Statement query, database_.prepare(sql + " FROM (SELECT der, revoked_at, reason, profile, profile NOT LIKE ? || '%' AS counts FROM certificate)"));
  query.bind(1, uncounted_profile);
  PGCERTD_CHECK(query.step());
  int column = 0;
  const auto next = [&] { return static_cast<std::uint64_t>(query.integer(column++)); };
  Counted out{.mark = mark, .counts = {}, .revoked = next()};
  out.counts.issued = next(), out.counts.revoked = next();
  std::uint64_t told = 0;
  for (const char* profile : counted_profiles) out.counts.issued_by_profile[profile] = next();
  for (const char* reason : counted_reasons) told += out.counts.revoked_by_reason[reason] = next();
  out.counts.revoked_by_reason["unspecified"] = out.counts.revoked - told;
  counted_ = out;
  return out;
}

Result<std::uint64_t> Registry::revoked_count() {
  PGCERTD_TRY(const Counted all, counted());
  return all.revoked;
}

Result<RegistryCounts> Registry::counts() {
  PGCERTD_TRY(const Counted all, counted());
  return all.counts;
}

Result<std::vector<RegistryEntry>> Registry::clients(TimePoint ending_after, std::size_t limit) {
  constexpr std::string_view newest_first =
      "WITH client AS (SELECT *, row_number() OVER (PARTITION BY substr(profile, 1, instr(profile || ' renews=', ' renews=')), revoked_at IS NULL ORDER BY id DESC) AS age FROM certificate"
      " WHERE profile LIKE 'client %' AND der IS NOT NULL AND not_after > ?)"
      " SELECT {} FROM (SELECT * FROM client ORDER BY age = 1 AND revoked_at IS NULL DESC, id DESC LIMIT ?) ORDER BY id DESC";
  PGCERTD_TRY(Statement query, database_.prepare(fmt::format(newest_first, columns)));
  query.bind(1, ending_after).bind(2, static_cast<std::int64_t>(limit));
  return rows(query);
}

Result<void> Registry::revoke(const std::string& serial, const std::string& reason, TimePoint now) {
  return database_.transaction([&]() -> Result<void> {
    PGCERTD_TRY(const auto entry, find(serial));
    if (!entry)
      return fail(Errc::not_found, fmt::format("no certificate with serial {} in \"{}\"", serial, database_.path()),
                  "compare with: pgcertctl ca show DIRECTORY");
    return entry->revoked_at ? Result<void>() : mark_revoked(serial, reason, now);
  });
}

Result<void> Registry::mark_revoked(const std::string& serial, const std::string& reason, TimePoint at) {
  PGCERTD_TRY(Statement update, database_.prepare("UPDATE certificate SET revoked_at = ?, reason = ? WHERE serial = ?"));
  return update.bind(1, at).bind(2, reason).bind(3, serial).run();
}

Result<void> Registry::adopt_revocations(const std::function<Result<void>(const SeeRevocation&)>& give, TimePoint now) {
  const SeeRevocation adopt = [&](const Revocation& one) -> Result<void> {
    PGCERTD_TRY(const auto entry, find(one.serial));
    if (!entry) PGCERTD_CHECK(record_serial(one.serial, "", "taken over from a CRL", now));
    return entry && entry->revoked_at ? Result<void>() : mark_revoked(one.serial, one.reason, one.revoked_at);
  };
  return database_.transaction([&] { return give(adopt); });
}

Result<std::uint64_t> Registry::crl_number() {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT number FROM crl"));
  PGCERTD_TRY(const bool row, query.step());
  if (!row)
    return fail(Errc::database, fmt::format("\"{}\" has lost its CRL number", database_.path()), "restore the file from a backup");
  return static_cast<std::uint64_t>(query.integer(0));
}

Result<std::uint64_t> Registry::next_crl_number(std::uint64_t at_least) {
  std::uint64_t number = 0;
  PGCERTD_CHECK(database_.transaction([&]() -> Result<void> {
    PGCERTD_TRY(const std::uint64_t highest, crl_number());
    number = std::max(highest + 1, at_least);
    if (number > static_cast<std::uint64_t>(INT64_MAX))
      return fail(Errc::invalid, fmt::format("CRL number {} for \"{}\" is too large", number, database_.path()));
    PGCERTD_TRY(Statement update, database_.prepare("UPDATE crl SET number = ?"));
    return update.bind(1, static_cast<std::int64_t>(number)).run();
  }));
  return number;
}

}  // namespace pgcertd::store
