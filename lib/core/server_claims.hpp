// ServerClaims: which cluster of the configuration has which server, where two of its sections lead to the same one. The first
// that comes has it, unless the server uses another's files. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/server.hpp"

namespace pgcertd {

struct ServerClaim {
  std::string system_identifier;     // empty: not known; a standby has its primary's
  std::string data_directory;        // without links; empty: not known
  TimePoint postmaster_start{};
  bool in_use = false;               // the server's settings lead to this cluster's files
};

// `directory`: data_directory of `server`, without links.
ServerClaim claim_of(const PostgresSeen& server, std::string directory, bool in_use);
bool same_server(const ServerClaim& a, const ServerClaim& b);

class ServerClaims {
 public:
  // The cluster that has this server already; empty: `cluster` has it from now on, and no other.
  std::string claim(const std::string& cluster, ServerClaim wanted);
  // Clusters that are not configured any more have nothing.
  void keep_only(const std::vector<std::string>& clusters);

 private:
  std::map<std::string, ServerClaim> held_;   // by cluster
};

}  // namespace pgcertd
