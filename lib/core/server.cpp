#include "core/server.hpp"

namespace pgcertd {
namespace {

const std::string empty;

}  // namespace

std::string_view to_string(ServerFault fault) noexcept {
  switch (fault) {
    case ServerFault::none: return "none";
    case ServerFault::down: return "down";
    case ServerFault::starting: return "starting";
    case ServerFault::too_many_connections: return "too-many-connections";
    case ServerFault::auth_failed: return "auth-failed";
    case ServerFault::timeout: return "timeout";
    case ServerFault::not_postgres: return "not-postgres";
    case ServerFault::wrong_cluster: return "wrong-cluster";
    case ServerFault::wrong_peer: return "wrong-peer";
    case ServerFault::insecure: return "insecure";
    case ServerFault::other: return "other";
  }
  return "other";
}

std::string_view to_string(ProbeOutcome outcome) noexcept {
  switch (outcome) {
    case ProbeOutcome::served: return "served";
    case ProbeOutcome::ssl_refused: return "ssl-refused";
    case ProbeOutcome::unreachable: return "unreachable";
    case ProbeOutcome::timeout: return "timeout";
    case ProbeOutcome::not_postgres: return "not-postgres";
    case ProbeOutcome::handshake_failed: return "handshake-failed";
  }
  return "handshake-failed";
}

bool PostgresSeen::ssl_on() const { return setting("ssl") == "on"; }

const std::string& PostgresSeen::setting(const std::string& name) const {
  const auto found = settings.find(name);
  return found == settings.end() ? empty : found->second.value;
}

std::string PostgresSeen::file_setting(const std::string& name) const {
  const std::string& value = setting(name);
  if (value.empty() || value.starts_with('/') || data_directory.empty()) return value;
  return data_directory + (data_directory.ends_with('/') ? "" : "/") + value;
}

}  // namespace pgcertd
