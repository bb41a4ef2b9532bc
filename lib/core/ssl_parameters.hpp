// The ssl* parameters of PostgreSQL 10 to 19, from the documentation and pg_settings of each version. Printed into
// docs/TABLES.md; a test compares it with real servers.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace pgcertd {

struct SslParameter {
  std::string_view name;
  std::uint32_t since, until;          // major versions, both included; until 0: still there
  std::string_view default_value;      // of the newest version that has it
  bool internal;                       // cannot be set; all others take a reload (context sighup)
};
std::span<const SslParameter> ssl_parameters() noexcept;
// nullptr: pgcertd does not know it in that version (a major, 15).
const SslParameter* ssl_parameter(std::string_view name, std::uint32_t major) noexcept;

}  // namespace pgcertd
