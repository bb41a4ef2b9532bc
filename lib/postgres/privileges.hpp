// The least that pgcertd's role needs on a server, as SQL to run and as remedies to show. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/server.hpp"

namespace pgcertd::postgres {

// Every parameter that pgcertd ever sets. ssl_passphrase_command is not among them and must never be: it is a program.
inline constexpr std::array<std::string_view, 5> managed_parameters{"ssl", "ssl_cert_file", "ssl_key_file", "ssl_ca_file", "ssl_crl_file"};
bool is_managed(std::string_view parameter) noexcept;

enum class Need : std::uint8_t { read_all_settings, reload, alter_system, read_file_settings };
// The GRANT that gives it, or what to do where the version has none.
std::string remedy(Need need, const std::string& role, std::uint32_t version_num);

// A commented script for psql, run by a superuser in the database that conninfo names. Running it twice does no harm.
std::string setup_sql(const std::string& role, std::uint32_t version_num);

std::string quote_identifier(std::string_view name);

}  // namespace pgcertd::postgres
