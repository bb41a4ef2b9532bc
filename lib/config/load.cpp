#include "config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "config/cross_checks.hpp"
#include "config/schema.hpp"
#include "config/values.hpp"

namespace pgcertd {
namespace config {
namespace {

constexpr std::array<std::string_view, 5> sections{"daemon", "http", "issuer", "crl", "cluster"};

std::string path_of(std::string_view outer, std::string_view key) {
  const std::string shown = printable(key, 80);
  return outer.empty() ? shown : fmt::format("{}.{}", outer, shown);
}

// "cluster.NAME" for a key that stands in the wrong section.
std::string home_of(std::string_view key) {
  for (const std::string& known : known_keys())
    if (known.ends_with("." + std::string(key))) return known.substr(0, known.size() - key.size() - 1);
  return {};
}

void unknown(const Field& field, std::string_view key, const std::vector<std::string>& valid) {
  if (std::string home = home_of(key); !home.empty()) field.reject("unknown key here", fmt::format("it belongs in [{}]", home));
  else field.reject("unknown key", fmt::format("the nearest valid one is \"{}\"", nearest(key, valid)));
}

template <class Owner>
void read_rows(const Field& table, std::span<const Row<Owner>> rows, Owner& owner) {
  if (!table.is(Node::Kind::table)) return;
  std::vector<std::string> valid;
  for (const auto& row : rows) valid.emplace_back(row.key);
  for (const auto& [key, node] : table.node.members) {
    const Field field{.node = node, .key = path_of(table.key, key), .issues = table.issues};
    const auto row = std::ranges::find(rows, key, &Row<Owner>::key);
    if (row == rows.end()) unknown(field, key, valid);
    else row->read(field, owner);
  }
}

void require(const Field& table, const char* key, std::string remedy) {
  if (table.node.kind != Node::Kind::table || table.node.members.contains(key)) return;
  Field{.node = table.node, .key = path_of(table.key, key), .issues = table.issues}.reject("it is missing", std::move(remedy));
}

// [issuer.NAME], [crl.NAME], [cluster.NAME]
template <class Owner>
void read_named(const Field& outer, std::span<const Row<Owner>> rows, std::map<std::string, Owner>& out) {
  if (!outer.is(Node::Kind::table)) return;
  for (const auto& [name, node] : outer.node.members) {
    const Field table{.node = node, .key = path_of(outer.key, name), .issues = outer.issues};
    if (node.kind != Node::Kind::table) {
      table.reject(fmt::format("wrong type: it must be a table, and is {}", to_string(node.kind)),
                   fmt::format("write [{}.NAME] above the keys", outer.key));
      continue;
    }
    if (const auto good = section_name(name); !good) table.reject(good.error());
    Owner& owner = out[name];
    owner.name = name;
    read_rows(table, rows, owner);
    if constexpr (std::is_same_v<Owner, ClusterConfig>)
      require(table, "conninfo", "conninfo = \"host=/run/postgresql port=5432 dbname=postgres user=pgcertd\"");
    if constexpr (std::is_same_v<Owner, CrlSourceConfig>) require(table, "urls", "urls = [\"https://pki.example.org/ca.crl\"]");
  }
}

Config read_tree(const Node& root, std::vector<ConfigIssue>& issues) {
  Config out;
  for (const auto& [key, node] : root.members) {
    const Field field{.node = node, .key = path_of({}, key), .issues = issues};
    if (key == "daemon") read_rows(field, daemon_rows(), out.daemon);
    else if (key == "http") read_rows(field, http_rows(), out.http);
    else if (key == "issuer") read_named(field, issuer_rows(), out.issuers);
    else if (key == "crl") read_named(field, crl_rows(), out.crls);
    else if (key == "cluster") read_named(field, cluster_rows(), out.clusters);
    else unknown(field, key, {sections.begin(), sections.end()});
  }
  return out;
}

// KEY = "/PATH" or 'PATH' in one line of a file that need not be TOML.
std::optional<std::string> path_in(std::string_view line, std::string_view key) {
  const auto skip = [&](std::string_view some) { line.remove_prefix(std::min(line.find_first_not_of(some), line.size())); };
  skip(" \t");
  if (line.starts_with("daemon.")) line.remove_prefix(7);
  if (!line.starts_with(key)) return std::nullopt;
  line.remove_prefix(key.size());
  skip(" \t");
  if (!line.starts_with('=')) return std::nullopt;
  line.remove_prefix(1);
  skip(" \t");
  const std::size_t end = line.empty() ? std::string_view::npos : line.find(line.front(), 1);
  if (end == std::string_view::npos || (line.front() != '"' && line.front() != '\'')) return std::nullopt;
  auto path = absolute_path(std::string(line.substr(1, end - 1)));
  return path ? std::optional{std::move(*path)} : std::nullopt;
}

// What follows from a value that was refused already is not said again.
void add_new(std::vector<ConfigIssue> found, std::vector<ConfigIssue>& issues) {
  const auto said = issues.size();
  for (auto& issue : found)
    if (std::none_of(issues.begin(), issues.begin() + static_cast<std::ptrdiff_t>(said),
                     [&](const ConfigIssue& old) { return old.key == issue.key; }))
      issues.push_back(std::move(issue));
}

template <class Owner>
void add_keys(std::string_view section, std::span<const Row<Owner>> rows, std::vector<std::string>& out) {
  for (const auto& row : rows) out.push_back(fmt::format("{}.{}", section, row.key));
}

}  // namespace
}  // namespace config

std::string ConfigIssue::text() const {
  std::string out = fmt::format("{}:{}:{}: ", printable(file, 4096), line, column);
  if (!key.empty()) out += key + ": ";
  out += message;
  return remedy.empty() ? out : fmt::format("{} ({})", out, remedy);
}

std::string written_runtime_directory(const std::vector<ConfigFile>& files) {
  std::string out;
  for (const ConfigFile& file : files)
    for (std::string_view rest = file.bytes; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (auto path = config::path_in(line, "runtime_directory")) out = std::move(*path);
    }
  return out;
}

LoadedConfig parse_config(const std::vector<ConfigFile>& files, const HostAccounts& accounts) {
  LoadedConfig out;
  config::Node root;
  if (!files.empty()) root.place.file = files.front().name;
  for (const auto& file : files) config::read_toml(file, root, out.issues);
  // A file that is no TOML leaves keys out: what else seems wrong may only follow from that.
  if (!out.issues.empty()) return out;
  Config parsed = config::read_tree(root, out.issues);
  config::fill_defaults(parsed);
  std::vector<ConfigIssue> crossed;
  config::cross_check(parsed, root, accounts, crossed);
  config::add_new(std::move(crossed), out.issues);
  if (out.issues.empty()) out.config = std::move(parsed);
  return out;
}

std::vector<std::string> known_keys() {
  std::vector<std::string> out;
  config::add_keys("daemon", config::daemon_rows(), out);
  config::add_keys("http", config::http_rows(), out);
  config::add_keys("issuer.NAME", config::issuer_rows(), out);
  config::add_keys("crl.NAME", config::crl_rows(), out);
  config::add_keys("cluster.NAME", config::cluster_rows(), out);
  return out;
}

}  // namespace pgcertd
