// The database clusters of this host, found without asking a server: Debian's layout, RHEL's, running postmasters, directories
// that are named by hand. What is read is data of other users: bounded, and judged as text only. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcertd::postgres {

struct LocalCluster {
  std::string name;               // fits [cluster.NAME]; unique in a list
  int major = 0;
  std::string data_directory;
  std::string config_file;
  std::string owner;              // of the data directory
  std::uint16_t port = 5432;
  std::string socket_directory;   // the first one; empty: it has none
  bool running = false;
  bool ssl = false;               // as the files say, for a list to look at
  std::string unit;               // of systemd; empty: none is known
  bool operator==(const LocalCluster&) const = default;
};

// Of PG_VERSION; nullopt before 10, where the number had two parts, and for anything else.
std::optional<int> parse_major(std::string_view text);
// A word that [cluster.NAME] takes: lower case, others become '-', at most 63 bytes; "main" where nothing is left.
std::string cluster_word(std::string_view text);
// `wanted`, or with the version, the port, a number behind it: the first that is not in `taken`.
std::string free_name(const std::string& wanted, const LocalCluster& cluster, const std::vector<std::string>& taken);

// Where to look. Tests stage a tree below `root`; its files and links name paths as if it were "/".
struct HostPlaces {
  std::string root;
  std::vector<std::string> directories{};   // data directories given by hand: these and no others
};

// By data directory. A directory given by hand that is none, or cannot be read, is an error; what is found by itself and
// cannot be read is left out, with a line in `passed_over`.
struct LocalClusters {
  std::vector<LocalCluster> clusters;
  std::vector<std::string> passed_over;
};
Result<LocalClusters> find_local_clusters(const HostPlaces& places);

}  // namespace pgcertd::postgres
