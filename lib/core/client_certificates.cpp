#include "core/client_certificates.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include "base/text.hpp"

namespace pgcertd {
namespace {

ClientState state_by_time(const ClientCertSeen& client, TimePoint now) {
  if (client.not_after <= now) return ClientState::expired;
  return client_expires_soon(client.not_after - now, client.not_after - client.not_before) ? ClientState::expiring : ClientState::good;
}

Finding ends(const ClientCertSeen& client, TimePoint now) {
  const std::string role = printable(client.role, 80);
  const bool over = client.not_after <= now;
  return finding(ProblemCode::client_cert_expiring,
                 fmt::format("the client certificate {} of the role {} {} {} ({}), and there is no newer one", client.serial, role, over ? "ended" : "ends", relative_text(client.not_after, now),
                             to_rfc3339(client.not_after)),
                 fmt::format("pgcertctl client issue {0} -o DIR --renew, with the files that the client has in DIR; then give them back to it. If nobody uses it any more: pgcertctl revoke --role {0} --reason cessationOfOperation", role), role);
}

}  // namespace

std::string_view to_string(ClientState state) noexcept {
  switch (state) {
    case ClientState::good: return "good";
    case ClientState::expiring: return "expiring";
    case ClientState::expired: return "expired";
    case ClientState::older: return "older";
    case ClientState::revoked: return "revoked";
  }
  return "good";
}

bool client_expires_soon(Duration left, Duration life) { return left < life / 4 && left < std::chrono::days{30}; }

std::vector<ClientState> states_of(const std::vector<ClientCertSeen>& clients, TimePoint now) {
  std::vector<ClientState> out;
  std::set<std::string> roles;
  for (const ClientCertSeen& client : clients) {
    if (client.revoked) out.push_back(ClientState::revoked);
    else if (!roles.insert(client.role).second) out.push_back(ClientState::older);
    else out.push_back(state_by_time(client, now));
  }
  return out;
}

std::optional<TimePoint> earliest_end(const std::vector<ClientCertSeen>& clients, TimePoint now) {
  const auto states = states_of(clients, now);
  std::optional<TimePoint> first;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (states[i] == ClientState::revoked || states[i] == ClientState::older) continue;
    first = first ? std::min(*first, clients[i].not_after) : clients[i].not_after;
  }
  return first;
}

std::vector<Finding> judge_clients(const IssuerSeen& seen, TimePoint now) {
  const auto states = states_of(seen.clients, now);
  std::vector<Finding> out;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const ClientCertSeen& client = seen.clients[i];
    const bool told = states[i] == ClientState::expiring || (states[i] == ClientState::expired && now < client.not_after + client_told_after_end);
    if (told) out.push_back(ends(client, now));
  }
  return out;
}

}  // namespace pgcertd
