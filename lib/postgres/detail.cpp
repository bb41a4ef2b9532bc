#include "postgres/detail.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "postgres/pg_ptr.hpp"
#include "postgres/rows.hpp"
#include "postgres/serial.hpp"

namespace pgcertd::postgres {
namespace {

constexpr char separator = '\x1f';   // in no name that anybody would choose, and then only the display suffers

constexpr auto rights_sql =
    "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')"
    "  AND pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT') AS hba,"
    " pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE')"
    "  AND pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'SELECT')"
    "  AND pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') AS files,"
    " pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') AS sessions";

std::string hba_sql(int version_num) {
  return fmt::format(
      "SELECT {} AS file, line_number, type, pg_catalog.array_to_string(database, E'\\x1f') AS databases,"
      " pg_catalog.array_to_string(user_name, E'\\x1f') AS users, address, netmask, auth_method,"
      " pg_catalog.array_to_string(options, E'\\x1f') AS options, error FROM pg_catalog.pg_hba_file_rules ORDER BY {}",
      version_num >= 160000 ? "file_name" : "''::pg_catalog.text", version_num >= 160000 ? "coalesce(rule_number, 2147483647), line_number" : "line_number");
}

constexpr auto files_sql =
    "SELECT f.name, f.setting AS value, f.sourcefile, f.sourceline, f.applied, f.error, s.reset_val AS in_force, s.source, s.unit, s.vartype, s.context"
    " FROM pg_catalog.pg_file_settings f LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(f.name) ORDER BY f.seqno";
constexpr auto reset_sql =
    "SELECT s.name FROM pg_catalog.pg_settings s WHERE s.source = 'configuration file' AND s.context IN ('sighup', 'user', 'superuser', 'backend', 'superuser-backend')"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_file_settings f WHERE pg_catalog.lower(f.name) = pg_catalog.lower(s.name)) ORDER BY s.name LIMIT 100";

std::string sessions_sql(std::optional<TimePoint> rotated_at) {
  const std::string before = rotated_at ? fmt::format("count(*) FILTER (WHERE a.backend_start < pg_catalog.to_timestamp({} / 1000.0))", rotated_at->time_since_epoch().count()) : "0";
  return fmt::format(
      "SELECT a.client_addr IS NOT NULL AS tcp, coalesce(a.client_addr <<= '127.0.0.0/8' OR a.client_addr = '::1', false) AS loopback,"
      " CASE WHEN s.ssl THEN s.version ELSE '' END AS version, CASE WHEN s.ssl THEN s.cipher ELSE '' END AS cipher, count(*) AS count, {} AS before,"
      " pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.min(a.backend_start)) * 1000)::pg_catalog.int8 AS oldest"
      " FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_ssl s USING (pid)"
      " WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid() GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
      before);
}

std::string certificates_sql(int version_num) {
  const bool named = version_num >= 120000;
  return fmt::format(
      "SELECT a.pid, a.usename, s.{} AS dn, {} AS issuer, {} AS serial,"
      " pg_catalog.floor(pg_catalog.date_part('epoch', a.backend_start) * 1000)::pg_catalog.int8 AS began"
      " FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_stat_ssl s USING (pid)"
      " WHERE s.{} IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() ORDER BY a.backend_start LIMIT 1000",
      named ? "client_dn" : "clientdn", named ? "s.issuer_dn" : "''", named ? "s.client_serial" : "''", named ? "client_dn" : "clientdn");
}

constexpr auto upstream_sql = "SELECT conninfo FROM pg_catalog.pg_stat_wal_receiver WHERE conninfo IS NOT NULL LIMIT 1";

std::vector<std::string> parts_of(const std::string& text) {
  std::vector<std::string> out;
  std::size_t from = 0;
  while (from < text.size()) {
    const std::size_t end = std::min(text.find(separator, from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

TimePoint moment(const std::string& milliseconds) { return TimePoint{Duration{number<std::int64_t>(milliseconds)}}; }

std::vector<HbaRule> hba_of(const Rows& rows) {
  std::vector<HbaRule> out;
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    out.push_back({rows.text(i, "file"), number<std::uint32_t>(rows.text(i, "line_number")), rows.text(i, "type"), parts_of(rows.text(i, "databases")), parts_of(rows.text(i, "users")),
                   rows.text(i, "address"), rows.text(i, "netmask"), rows.text(i, "auth_method"), parts_of(rows.text(i, "options")), rows.text(i, "error")});
  return out;
}

std::vector<FileSetting> files_of(const Rows& rows) {
  std::vector<FileSetting> out;
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    out.push_back({rows.text(i, "name"), rows.text(i, "value"), rows.text(i, "sourcefile"), number<std::uint32_t>(rows.text(i, "sourceline")), yes(rows, i, "applied"), rows.text(i, "error"),
                   rows.text(i, "in_force"), rows.text(i, "source"), rows.text(i, "unit"), rows.text(i, "vartype"), rows.text(i, "context")});
  return out;
}

std::vector<std::string> names_of(const Rows& rows) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) out.push_back(rows.text(i, "name"));
  return out;
}

std::vector<SessionGroup> sessions_of(const Rows& rows) {
  std::vector<SessionGroup> out;
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    out.push_back({yes(rows, i, "tcp"), yes(rows, i, "loopback"), rows.text(i, "version"), rows.text(i, "cipher"), number<std::uint64_t>(rows.text(i, "count")),
                   number<std::uint64_t>(rows.text(i, "before")), moment(rows.text(i, "oldest"))});
  return out;
}

std::vector<CertSession> certificates_of(const Rows& rows) {
  std::vector<CertSession> out;
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    out.push_back({number<std::int32_t>(rows.text(i, "pid")), rows.text(i, "usename"), rows.text(i, "dn"), rows.text(i, "issuer"), hex_of_decimal(rows.text(i, "serial")), moment(rows.text(i, "began"))});
  return out;
}

std::optional<Upstream> upstream_of(const Rows& rows) {
  if (rows.rows.empty()) return std::nullopt;
  const OptionsPtr options(PQconninfoParse(rows.text(0, "conninfo").c_str(), nullptr));
  if (!options) return std::nullopt;
  Upstream out;
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val == nullptr) continue;
    if (std::string_view(option->keyword) == "host") out.host = option->val;
    if (std::string_view(option->keyword) == "sslmode") out.sslmode = option->val;
  }
  return out;
}

}  // namespace

Expected<ServerDetail> read_detail(Session& session, std::optional<TimePoint> rotated_at) {
  auto rights = session.query(rights_sql);
  if (!rights) return tl::unexpected(std::move(rights).error());
  if (rights->size() != 1 || rights->front().rows.empty()) return failure(ServerFault::not_postgres, Errc::parse, "the server answered a question about rights with something else");
  const bool hba = yes(rights->front(), 0, "hba"), files = yes(rights->front(), 0, "files"), sessions = yes(rights->front(), 0, "sessions");
  const int version = session.server_version_num();
  std::string sql;
  const auto ask = [&](bool may, const std::string& statement) {
    if (may) sql += (sql.empty() ? "" : ";") + statement;
  };
  ask(hba, hba_sql(version));
  ask(files, files_sql);
  ask(files, reset_sql);
  ask(sessions, sessions_sql(rotated_at));
  ask(sessions, certificates_sql(version));
  ask(sessions, upstream_sql);
  ServerDetail out;
  out.asked = true;
  if (sql.empty()) return out;
  auto answers = session.query(sql);
  if (!answers) return tl::unexpected(std::move(answers).error());
  if (answers->size() != (hba ? 1U : 0U) + (files ? 2U : 0U) + (sessions ? 3U : 0U)) return failure(ServerFault::not_postgres, Errc::parse, "the server left answers out");
  auto next = answers->begin();
  if (hba) out.hba = hba_of(*next++);
  if (files) out.file_settings = files_of(*next++), out.reset_by_reload = names_of(*next++);
  if (sessions) out.sessions = sessions_of(*next++), out.cert_sessions = certificates_of(*next++), out.upstream = upstream_of(*next++);
  return out;
}

}  // namespace pgcertd::postgres
