#include "postgres/privileges.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace pgcertd::postgres {
namespace {

constexpr std::uint32_t parameter_grants_since = 150000;

std::string quote_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += '\'';
    out += c;
  }
  return out + "'";
}

std::string alter_system_sql(const std::string& role, std::uint32_t version_num) {
  if (version_num < parameter_grants_since)
    return "-- Before PostgreSQL 15 only a superuser may run ALTER SYSTEM. So that pgcertd can set the ssl_* paths without one, let\n"
           "-- postgresql.conf end with a line include_dir = 'conf.d' and list that directory in allowed_directories of pgcertd.toml,\n"
           "-- or set them yourself: pgcertctl rotate CLUSTER --dry-run prints the values that it wants.\n";
  return "-- Point ssl_cert_file and the others to pgcertd's directory, once.\n" + remedy(Need::alter_system, role, version_num) + "\n";
}

}  // namespace

bool is_managed(std::string_view parameter) noexcept { return std::ranges::find(managed_parameters, parameter) != managed_parameters.end(); }

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

std::string remedy(Need need, const std::string& role, std::uint32_t version_num) {
  const std::string to = quote_identifier(role);
  switch (need) {
    case Need::read_all_settings: return fmt::format("GRANT pg_read_all_settings TO {};", to);
    case Need::reload: return fmt::format("GRANT EXECUTE ON FUNCTION pg_catalog.pg_reload_conf() TO {};", to);
    case Need::alter_system:
      if (version_num < parameter_grants_since)
        return "add include_dir = 'conf.d' to postgresql.conf and list that directory in allowed_directories: before PostgreSQL 15 only "
               "a superuser may run ALTER SYSTEM";
      return fmt::format("GRANT ALTER SYSTEM ON PARAMETER {} TO {};", fmt::join(managed_parameters, ", "), to);
    case Need::read_file_settings:
      return fmt::format("GRANT SELECT ON pg_catalog.pg_file_settings TO {0};\nGRANT EXECUTE ON FUNCTION pg_catalog.pg_show_all_file_settings() TO {0};", to);
  }
  return {};
}

std::string setup_sql(const std::string& role, std::uint32_t version_num) {
  const std::string to = quote_identifier(role);
  std::string out;
  out += "-- The least that pgcertd needs. Run it as a superuser in the database that conninfo names: the grants on functions\n"
         "-- and views count in that database only. Running it again does no harm.\n\n";
  out += fmt::format("DO $$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {}) THEN\n"
                     "    CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION CONNECTION LIMIT 5;\n  END IF;\nEND $$;\n\n",
                     quote_literal(role), to);
  out += "-- See data_directory, config_file and where each ssl_* value comes from.\n";
  out += remedy(Need::read_all_settings, role, version_num) + "\n";
  out += "-- See which sessions use TLS and with which client certificate.\n";
  out += fmt::format("GRANT pg_read_all_stats TO {};\n", to);
  out += "-- Load new certificates.\n";
  out += remedy(Need::reload, role, version_num) + "\n";
  out += alter_system_sql(role, version_num);
  out += "-- See which lines of the configuration files are in force, and which a reload would apply.\n";
  out += remedy(Need::read_file_settings, role, version_num) + "\n";
  out += "-- See whether pg_hba.conf asks for client certificates.\n";
  out += fmt::format("GRANT SELECT ON pg_catalog.pg_hba_file_rules TO {0};\nGRANT EXECUTE ON FUNCTION pg_catalog.pg_hba_file_rules() TO {0};\n", to);
  if (version_num >= parameter_grants_since)
    out += fmt::format("GRANT SELECT ON pg_catalog.pg_ident_file_mappings TO {0};\nGRANT EXECUTE ON FUNCTION pg_catalog.pg_ident_file_mappings() TO {0};\n", to);
  out += fmt::format("\n-- In pg_hba.conf, above other lines for local connections, where pgcertd runs as a user of the same name:\n"
                     "--   local  all  {}  peer\n", to);
  return out;
}

}  // namespace pgcertd::postgres
