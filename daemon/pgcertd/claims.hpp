// Claims: ServerClaims for the workers of all clusters. Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "core/memory.hpp"
#include "core/server_claims.hpp"

namespace pgcertd::daemon {

class Claims {
 public:
  // The cluster that has this server already; empty: `cluster` has it.
  std::string claim(const std::string& cluster, const PostgresSeen& server, bool in_use);
  // The server that it had before the daemon started: it keeps that, whoever looks first.
  void remember(const std::string& cluster, const ClusterMemory& memory, const std::string& cluster_directory);
  void keep_only(const std::vector<std::string>& clusters);

 private:
  std::mutex mutex_;
  ServerClaims claims_;
};

}  // namespace pgcertd::daemon
