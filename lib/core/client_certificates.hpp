// What is told of the certificates that an issuer gave out to clients: the newest of each role counts, and nobody but a person
// renews it. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "core/finding.hpp"
#include "core/issuing.hpp"

namespace pgcertd {

enum class ClientState : std::uint8_t { good, expiring, expired, older, revoked };
std::string_view to_string(ClientState state) noexcept;      // "good" …
constexpr std::size_t client_states = 5;

// So long after its end a certificate is still told of: an application that it cuts off is missed by then, and a role that nobody
// uses any more must not be told of for ever.
constexpr Duration client_told_after_end = std::chrono::days{7};

// Time for a person to renew it: the last quarter of its life, at most 30 days. Whoever renews at two thirds, as pgcertd does with
// servers' certificates, never hears of it.
bool client_expires_soon(Duration left, Duration life);

// Of each, in their order, which is newest first.
std::vector<ClientState> states_of(const std::vector<ClientCertSeen>& clients, TimePoint now);
// The earliest end among those that are neither revoked nor older than another of their role.
std::optional<TimePoint> earliest_end(const std::vector<ClientCertSeen>& clients, TimePoint now);

// A warning also when it has ended: it cuts off one application and not the server, whose health a critical problem would put in doubt.
std::vector<Finding> judge_clients(const IssuerSeen& seen, TimePoint now);

}  // namespace pgcertd
