#include "postgres/failure.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace pgcertd::postgres {
namespace {

struct FaultRow {
  std::string_view sqlstate;
  ServerFault fault;
};

constexpr std::array<FaultRow, 6> fault_rows{{
    {"57P03", ServerFault::starting},              // cannot_connect_now: starting up, shutting down, in recovery
    {"57P01", ServerFault::down},                  // admin_shutdown of an open session
    {"57P02", ServerFault::down},                  // crash_shutdown
    {"53300", ServerFault::too_many_connections},
    {"28P01", ServerFault::auth_failed},           // wrong password
    {"28000", ServerFault::auth_failed},           // no role, no pg_hba line, peer refused
}};

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

}  // namespace

ServerFault fault_of(std::string_view sqlstate) noexcept {
  for (const auto& row : fault_rows)
    if (row.sqlstate == sqlstate) return row.fault;
  return ServerFault::other;
}

std::string sqlstate_in(std::string_view message) {
  // Severity (in the server's language), colon, two spaces, SQLSTATE, colon.
  for (auto at = message.find(":  "); at != std::string_view::npos; at = message.find(":  ", at + 1)) {
    const auto state = message.substr(at + 3, 5);
    if (is_sqlstate(state) && message.substr(at + 8, 1) == ":") return std::string(state);
  }
  return {};
}

std::string one_line(std::string_view message) {
  std::string out;
  while (!message.empty()) {
    const auto end = std::min(message.find('\n'), message.size());
    auto line = message.substr(0, end);
    message.remove_prefix(std::min(end + 1, message.size()));
    if (line.starts_with("LOCATION:")) continue;
    for (const char c : line) {
      const char folded = c == '\t' || c == '\r' ? ' ' : c;
      if (folded != ' ' || (!out.empty() && out.back() != ' ')) out += folded;
    }
    if (!out.empty() && out.back() != ' ') out += ' ';
  }
  while (out.ends_with(' ')) out.pop_back();
  return printable(out);
}

}  // namespace pgcertd::postgres
