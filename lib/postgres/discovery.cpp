#include "postgres/discovery.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "postgres/privileges.hpp"
#include "postgres/rows.hpp"

namespace pgcertd::postgres {
namespace {

// Whether ALTER SYSTEM is open to the role for every managed parameter.
std::string alter_system_sql(int version_num) {
  if (version_num < 150000) return "false";
  std::string out;
  for (const auto name : managed_parameters) out += fmt::format("{}pg_catalog.has_parameter_privilege('{}', 'ALTER SYSTEM')", out.empty() ? "" : " AND ", name);
  return out;
}

std::string facts_sql(int version_num) {
  return fmt::format(
      "SELECT pg_catalog.current_setting('server_version_num') AS version_num,"
      " pg_catalog.pg_is_in_recovery() AS in_recovery,"
      " pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()) * 1000)::pg_catalog.int8 AS started,"
      " pg_catalog.floor(pg_catalog.date_part('epoch', pg_catalog.pg_conf_load_time()) * 1000)::pg_catalog.int8 AS loaded,"
      " r.rolsuper AS superuser,"
      " r.rolsuper OR pg_catalog.pg_has_role('pg_read_all_settings', 'USAGE') AS read_all,"
      " pg_catalog.has_function_privilege('pg_catalog.pg_reload_conf()', 'EXECUTE') AS reload,"
      " pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS control,"
      " pg_catalog.has_function_privilege('pg_catalog.pg_show_all_file_settings()', 'EXECUTE')"
      "  AND pg_catalog.has_table_privilege('pg_catalog.pg_file_settings', 'SELECT') AS file_settings,"
      " (r.rolsuper OR ({})) AND coalesce(pg_catalog.current_setting('allow_alter_system', true), 'on') = 'on' AS alter_system"
      " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user",
      alter_system_sql(version_num));
}

constexpr auto settings_sql =
    "SELECT name, setting, source, sourcefile, sourceline, pending_restart FROM pg_catalog.pg_settings"
    " WHERE name ~ '^ssl' OR name IN ('data_directory', 'config_file', 'hba_file', 'port', 'listen_addresses') OR pending_restart";
constexpr auto identifier_sql = "SELECT system_identifier AS identifier FROM pg_catalog.pg_control_system()";
constexpr auto auto_conf_sql =
    "SELECT pg_catalog.lower(name) AS name, setting FROM pg_catalog.pg_file_settings"
    " WHERE sourcefile ~ '/postgresql[.]auto[.]conf$' AND name ~* '^ssl' ORDER BY seqno";

void read_facts(const Rows& rows, PostgresSeen& out) {
  out.version_num = number<std::uint32_t>(rows.text(0, "version_num"));
  out.version = version_text(out.version_num);
  out.in_recovery = yes(rows, 0, "in_recovery");
  out.postmaster_start = TimePoint{Duration{number<std::int64_t>(rows.text(0, "started"))}};
  out.config_loaded = TimePoint{Duration{number<std::int64_t>(rows.text(0, "loaded"))}};
  out.privileges = {.read_all_settings = yes(rows, 0, "read_all"),
                    .reload = yes(rows, 0, "reload"),
                    .alter_system = yes(rows, 0, "alter_system"),
                    .read_file_settings = yes(rows, 0, "file_settings"),
                    .superuser = yes(rows, 0, "superuser")};
}

void read_settings(const Rows& rows, PostgresSeen& out) {
  for (std::size_t row = 0; row < rows.rows.size(); ++row) {
    const std::string name = rows.text(row, "name");
    const std::string value = rows.text(row, "setting");
    if (name == "data_directory") out.data_directory = value;
    else if (name == "config_file") out.config_file = value;
    else if (name == "hba_file") out.hba_file = value;
    else if (name == "port") out.port = number<std::uint16_t>(value);
    else if (name == "listen_addresses") out.listen_addresses = split_listen_addresses(value);
    else
      out.settings[name] = {.value = value,
                            .source = rows.text(row, "source"),
                            .sourcefile = rows.text(row, "sourcefile"),
                            .sourceline = number<std::uint32_t>(rows.text(row, "sourceline")),
                            .pending_restart = rows.text(row, "pending_restart") == "t"};
  }
}

void read_auto_conf(const Rows& rows, PostgresSeen& out) {
  for (std::size_t row = 0; row < rows.rows.size(); ++row) out.auto_conf[rows.text(row, "name")] = rows.text(row, "setting");
}

// Without pg_file_settings: what pg_settings says of rows that are in force.
void guess_auto_conf(PostgresSeen& out) {
  for (const auto& [name, setting] : out.settings)
    if (setting.sourcefile.ends_with("/postgresql.auto.conf")) out.auto_conf[name] = setting.value;
}

Expected<void> read_permitted(Session& session, bool control, PostgresSeen& out) {
  std::string sql;
  if (control) sql += identifier_sql + std::string(";");
  if (out.privileges.read_file_settings) sql += auto_conf_sql;
  else guess_auto_conf(out);
  if (sql.empty()) return {};
  auto answers = session.query(sql);
  if (!answers) return tl::unexpected(std::move(answers).error());
  std::size_t next = 0;
  if (control && next < answers->size()) out.system_identifier = (*answers)[next++].text(0, "identifier");
  if (out.privileges.read_file_settings && next < answers->size()) read_auto_conf((*answers)[next], out);
  return {};
}

}  // namespace

Expected<PostgresSeen> discover(Session& session) {
  if (session.server_version_num() < 100000)
    return failure(ServerFault::other, Errc::refused,
                   fmt::format("PostgreSQL {} is too old", version_text(static_cast<std::uint32_t>(session.server_version_num()))),
                   "pgcertd works with PostgreSQL 10 and later");
  auto answers = session.query(facts_sql(session.server_version_num()) + ";" + settings_sql);
  if (!answers) return tl::unexpected(std::move(answers).error());
  if (answers->size() != 2 || (*answers)[0].rows.size() != 1)
    return failure(ServerFault::not_postgres, Errc::parse, "the server answered a question about itself with something else");
  PostgresSeen out;
  out.fault = ServerFault::none;
  out.known = true;
  read_facts((*answers)[0], out);
  read_settings((*answers)[1], out);
  if (auto permitted = read_permitted(session, yes((*answers)[0], 0, "control"), out); !permitted)
    return tl::unexpected(std::move(permitted).error());
  return out;
}

Expected<std::string> system_identifier(Session& session) {
  auto answers = session.query("SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE') AS may");
  if (!answers) return tl::unexpected(std::move(answers).error());
  if (answers->empty() || !yes((*answers)[0], 0, "may")) return std::string();
  answers = session.query(identifier_sql);
  if (!answers) return tl::unexpected(std::move(answers).error());
  return answers->empty() ? std::string() : (*answers)[0].text(0, "identifier");
}

std::vector<std::string> split_listen_addresses(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto end = std::min(text.find(','), text.size());
    auto entry = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto first = entry.find_first_not_of(" \t\"");
    if (first == std::string_view::npos) continue;
    out.emplace_back(entry.substr(first, entry.find_last_not_of(" \t\"") - first + 1));
  }
  return out;
}

std::string version_text(std::uint32_t version_num) {
  if (version_num < 100000) return fmt::format("{}.{}.{}", version_num / 10000, version_num / 100 % 100, version_num % 100);
  return fmt::format("{}.{}", version_num / 10000, version_num % 10000);
}

}  // namespace pgcertd::postgres
