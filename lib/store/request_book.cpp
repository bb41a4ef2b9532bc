#include "store/request_book.hpp"

#include <fmt/format.h>

#include "base/text.hpp"

namespace pgcertd::store {
namespace {

constexpr Database::Schema book_schema{
    .application_id = 0x70676371,                      // "pgcq"
    .version = 1,
    .kind = "book of requests",
    .create = R"(
CREATE TABLE request (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  spki_sha256 TEXT NOT NULL UNIQUE,
  cluster TEXT NOT NULL,
  request TEXT NOT NULL, proof TEXT NOT NULL,
  names TEXT NOT NULL, lifetime INTEGER NOT NULL, outlive INTEGER,
  since INTEGER NOT NULL,
  chain TEXT, fingerprint_sha256 TEXT, answered_at INTEGER, not_before INTEGER
) STRICT;
CREATE INDEX request_cluster ON request (cluster, not_before);
CREATE TABLE crl (authority_key_id TEXT PRIMARY KEY, pem TEXT NOT NULL, taken_at INTEGER NOT NULL) STRICT;
CREATE TRIGGER request_stays BEFORE DELETE ON request
  BEGIN SELECT RAISE(ABORT, 'a request is never removed'); END;
CREATE TRIGGER answer_is_final BEFORE UPDATE ON request WHEN OLD.chain IS NOT NULL
  BEGIN SELECT RAISE(ABORT, 'an answer is final'); END;
)"};

constexpr std::string_view book_columns =
    "spki_sha256, cluster, request, proof, names, lifetime, outlive, since, coalesce(chain, ''), coalesce(fingerprint_sha256, ''), answered_at, not_before";

// A name holds no line break: check_names() has seen to that.
std::string lines_of(const Names& names) {
  std::string out;
  for (const std::string& dns : names.dns) out += "dns:" + dns + "\n";
  for (const std::string& ip : names.ip) out += "ip:" + ip + "\n";
  return out;
}

Names names_of(std::string_view lines) {
  Names out;
  while (!lines.empty()) {
    const auto end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.starts_with("dns:")) out.dns.emplace_back(line.substr(4));
    if (line.starts_with("ip:")) out.ip.emplace_back(line.substr(3));
  }
  return out;
}

BookedRequest request_of(const Statement& row) {
  BookedRequest out;
  out.request.spki_sha256 = row.text(0);
  out.request.cluster = row.text(1);
  out.request.request_pem = row.text(2);
  out.request.proof_pem = row.text(3);
  out.request.names = names_of(row.text(4));
  out.request.lifetime = Duration{row.integer(5)};
  out.request.outlive = row.time_or_null(6);
  out.since = row.time(7);
  out.chain_pem = row.text(8);
  out.fingerprint_sha256 = row.text(9);
  out.answered_at = row.time_or_null(10);
  out.not_before = row.time_or_null(11);
  return out;
}

}  // namespace

Result<RequestBook> RequestBook::open_or_create(const std::string& path) {
  DatabaseOptions options;
  options.create = DatabaseOptions::Create::if_missing;
  options.journal = DatabaseOptions::Journal::rollback;
  PGCERTD_TRY(Database database, Database::open(path, options));
  PGCERTD_CHECK(database.ensure_schema(book_schema));
  PGCERTD_CHECK(database.check_integrity());
  return RequestBook(std::move(database));
}

Result<void> RequestBook::put(const LeafRequest& request, TimePoint now) {
  // Handed in at each look: written only when there is something new.
  PGCERTD_TRY(const auto known, find(request.spki_sha256));
  const bool same_proof = known && (request.proof_pem.empty() || request.proof_pem == known->request.proof_pem);
  if (known && (!known->chain_pem.empty() || (same_proof && known->request.outlive == request.outlive))) return {};
  return database_.transaction([&]() -> Result<void> {
    PGCERTD_TRY(Statement insert, database_.prepare("INSERT INTO request (spki_sha256, cluster, request, proof, names, lifetime, since) VALUES (?, ?, ?, ?, ?, ?, ?) "
                                                    "ON CONFLICT (spki_sha256) DO NOTHING"));
    insert.bind(1, request.spki_sha256).bind(2, request.cluster).bind(3, request.request_pem).bind(4, request.proof_pem);
    insert.bind(5, lines_of(request.names)).bind(6, static_cast<std::int64_t>(request.lifetime.count())).bind(7, now);
    PGCERTD_CHECK(insert.run());
    PGCERTD_TRY(Statement update, database_.prepare("UPDATE request SET outlive = ?, proof = CASE WHEN ? = '' THEN proof ELSE ? END WHERE spki_sha256 = ? AND chain IS NULL"));
    if (request.outlive) update.bind(1, *request.outlive);
    update.bind(2, request.proof_pem).bind(3, request.proof_pem).bind(4, request.spki_sha256);
    return update.run();
  });
}

Result<std::vector<BookedRequest>> RequestBook::select(const std::string& condition, const std::string& value) {
  PGCERTD_TRY(Statement query, database_.prepare(fmt::format("SELECT {} FROM request {}", book_columns, condition)));
  if (!value.empty()) query.bind(1, value);
  std::vector<BookedRequest> out;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back(request_of(query));
  }
}

Result<std::optional<BookedRequest>> RequestBook::find(const std::string& spki_sha256) {
  PGCERTD_TRY(auto found, select("WHERE spki_sha256 = ?", spki_sha256));
  return found.empty() ? std::optional<BookedRequest>{} : std::optional(std::move(found.front()));
}

Result<std::vector<BookedRequest>> RequestBook::waiting() { return select("WHERE chain IS NULL ORDER BY id", {}); }

Result<std::optional<BookedRequest>> RequestBook::newest_answer(const std::string& cluster) {
  PGCERTD_TRY(auto found, select("WHERE cluster = ? AND chain IS NOT NULL ORDER BY not_before DESC, id DESC LIMIT 1", cluster));
  return found.empty() ? std::optional<BookedRequest>{} : std::optional(std::move(found.front()));
}

Result<std::vector<BookedCrl>> RequestBook::crls() {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT authority_key_id, pem FROM crl ORDER BY authority_key_id"));
  std::vector<BookedCrl> out;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return out;
    out.push_back({query.text(0), query.text(1)});
  }
}

Result<void> RequestBook::accept(const std::vector<BookedAnswer>& answers, const std::vector<BookedCrl>& crls, TimePoint now) {
  return database_.transaction([&]() -> Result<void> {
    for (const BookedAnswer& answer : answers) {
      PGCERTD_TRY(Statement update, database_.prepare("UPDATE request SET chain = ?, fingerprint_sha256 = ?, not_before = ?, answered_at = ? WHERE spki_sha256 = ?"));
      update.bind(1, answer.chain_pem).bind(2, answer.fingerprint_sha256).bind(3, answer.not_before).bind(4, now).bind(5, answer.spki_sha256);
      PGCERTD_CHECK(update.run());
      if (database_.changes() != 1) return fail(Errc::not_found, fmt::format("there is no request for the key {}", answer.spki_sha256));
    }
    for (const BookedCrl& crl : crls) {
      PGCERTD_TRY(Statement put, database_.prepare("INSERT OR REPLACE INTO crl (authority_key_id, pem, taken_at) VALUES (?, ?, ?)"));
      put.bind(1, crl.authority_key_id).bind(2, crl.pem).bind(3, now);
      PGCERTD_CHECK(put.run());
    }
    return {};
  });
}

Result<std::uint64_t> RequestBook::answered() {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT count(*) FROM request WHERE chain IS NOT NULL"));
  PGCERTD_TRY(const bool row, query.step());
  return row ? static_cast<std::uint64_t>(query.integer(0)) : 0;
}

}  // namespace pgcertd::store
