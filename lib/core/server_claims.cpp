#include "core/server_claims.hpp"

#include <algorithm>
#include <utility>

namespace pgcertd {

ServerClaim claim_of(const PostgresSeen& server, std::string directory, bool in_use) {
  return {server.system_identifier, std::move(directory), server.postmaster_start, in_use};
}

// A directory may be hidden from one of the two roles; then it is the same cluster that was started at the same moment.
bool same_server(const ServerClaim& a, const ServerClaim& b) {
  const bool identified = !a.system_identifier.empty() && !b.system_identifier.empty();
  if (identified && a.system_identifier != b.system_identifier) return false;
  if (!a.data_directory.empty() && !b.data_directory.empty()) return a.data_directory == b.data_directory;
  return identified && a.postmaster_start == b.postmaster_start && a.postmaster_start != TimePoint{};
}

std::string ServerClaims::claim(const std::string& cluster, ServerClaim wanted) {
  const auto other = std::ranges::find_if(held_, [&](const auto& held) { return held.first != cluster && same_server(held.second, wanted); });
  if (other != held_.end() && (other->second.in_use || !wanted.in_use)) {
    std::string holder = other->first;
    held_.erase(cluster);
    return holder;
  }
  if (other != held_.end()) held_.erase(other);
  held_.insert_or_assign(cluster, std::move(wanted));
  return {};
}

void ServerClaims::keep_only(const std::vector<std::string>& clusters) {
  std::erase_if(held_, [&](const auto& held) { return std::ranges::find(clusters, held.first) == clusters.end(); });
}

}  // namespace pgcertd
