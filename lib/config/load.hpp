// Bytes of pgcertd.toml and its drop-ins to Config, or everything that is wrong with them, each with file, line and column.
// parse_config() is pure and collects all issues; a Config exists only when there are none. Any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd {

struct ConfigFile {
  std::string name;               // as messages show it: its path
  std::string bytes;
};

struct ConfigIssue {
  std::string file;
  unsigned line = 0;
  unsigned column = 0;
  std::string key;                // "cluster.main.renew_at"; empty where the TOML itself is broken
  std::string message;            // printable; never holds the value of a secret
  std::string remedy;             // may be empty
  // "file:line:column: key: message (remedy)"
  [[nodiscard]] std::string text() const;
  bool operator==(const ConfigIssue&) const = default;
};

struct LoadedConfig {
  std::optional<Config> config;
  std::vector<ConfigIssue> issues;
};

// Whether this host has an account of that name. Empty: that is not asked, as for the configuration of another host.
struct HostAccounts {
  std::function<bool(const std::string&)> user = {}, group = {};
};

// Later files add or override: tables merge deep, arrays and scalars are replaced.
LoadedConfig parse_config(const std::vector<ConfigFile>& files, const HostAccounts& accounts = {});

// runtime_directory as it is written there, whatever else is wrong with the files; empty: nowhere.
std::string written_runtime_directory(const std::vector<ConfigFile>& files);

// The main file, then conf.d/*.toml beside it in name order (bytes, as LC_ALL=C sorts). A conf.d that is not there is empty.
Result<std::vector<ConfigFile>> read_config_files(const std::string& main_path);

// Every key there is, in the order of the documentation: "daemon.state_directory", "cluster.NAME.conninfo".
std::vector<std::string> known_keys();

}  // namespace pgcertd
