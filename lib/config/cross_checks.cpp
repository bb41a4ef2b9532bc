#include "config/cross_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/text.hpp"
#include "config/conninfo.hpp"

namespace pgcertd::config {
namespace {

class Checks {
 public:
  Checks(const Config& config, const Node& root, const HostAccounts& accounts, std::vector<ConfigIssue>& issues)
      : config_(config), root_(root), accounts_(accounts), issues_(issues) {}

  void run() {
    daemon();
    http();
    for (const auto& [name, issuer] : config_.issuers) this->issuer(issuer);
    for (const auto& [name, cluster] : config_.clusters) this->cluster(cluster);
    servers();
    paths();
  }

 private:
  using Way = std::initializer_list<std::string_view>;

  void report(Way way, std::string message, std::string remedy) {
    const Place& place = place_of(root_, way);
    std::vector<std::string> shown;
    for (const std::string_view key : way) shown.push_back(printable(key, 80));
    issues_.push_back({.file = place.file,
                       .line = place.line,
                       .column = place.column,
                       .key = fmt::format("{}", fmt::join(shown, ".")),
                       .message = std::move(message),
                       .remedy = std::move(remedy)});
  }

  std::vector<std::string> issuer_names() const {
    std::vector<std::string> out;
    for (const auto& [name, issuer] : config_.issuers) out.push_back(name);
    return out;
  }

  void unknown_issuer(Way way, const std::string& name) {
    const std::string near = nearest(name, issuer_names());
    report(way, fmt::format("there is no issuer \"{}\"", name),
           near.empty() ? fmt::format("add [issuer.{}]", name) : fmt::format("the nearest one is \"{}\"", near));
  }

  void daemon() {
    const DaemonConfig& daemon = config_.daemon;
    if (accounts_.group && !daemon.control_group.empty() && !accounts_.group(daemon.control_group))
      report({"daemon", "control_group"}, fmt::format("this host has no group \"{}\"", daemon.control_group), "groupadd it, or name one of getent group");
    // With "/control.sock" and the byte that ends it: sun_path of <sys/un.h>.
    constexpr std::size_t longest = 108 - 14;
    if (daemon.runtime_directory.size() > longest)
      report({"daemon", "runtime_directory"}, fmt::format("it is too long for the path of a socket: {} bytes", daemon.runtime_directory.size()),
             fmt::format("choose one of {} bytes at most", longest));
  }

  void http() {
    if (!config_.http.issuer.empty() && !config_.issuers.contains(config_.http.issuer))
      unknown_issuer({"http", "issuer"}, config_.http.issuer);
    if (!config_.http.client_ca.empty() && config_.http.issuer.empty())
      report({"http", "client_ca"}, "client certificates can be asked for over TLS only", "set http.issuer, or remove client_ca");
  }

  void issuer(const IssuerConfig& issuer) {
    if (issuer.runway_critical > issuer.runway_warning)
      report({"issuer", issuer.name, "runway_critical"},
             fmt::format("{} is longer than runway_warning, {}", to_text(issuer.runway_critical), to_text(issuer.runway_warning)),
             "make it shorter, so that the warning comes first");
    if (issuer.type == IssuerType::self_signed && !issuer.directory.empty())
      report({"issuer", issuer.name, "directory"}, "a self-signed issuer has no CA directory",
             "remove it, or set type = \"local\"");
  }

  void cluster(const ClusterConfig& cluster) {
    if (accounts_.user && !cluster.server_user.empty() && !accounts_.user(cluster.server_user))
      report({"cluster", cluster.name, "server_user"}, fmt::format("this host has no user \"{}\"", cluster.server_user),
             "name the account that PostgreSQL runs as, or remove it: then it is the owner of the data directory");
    if (cluster.issuer.empty())
      report({"cluster", cluster.name, "issuer"}, "it is missing, and there are several issuers",
             fmt::format("name one of {}", fmt::join(issuer_names(), ", ")));
    else if (!config_.issuers.contains(cluster.issuer))
      unknown_issuer({"cluster", cluster.name, "issuer"}, cluster.issuer);
    if (cluster.restart == RestartPolicy::window && cluster.restart_window.empty())
      report({"cluster", cluster.name, "restart_window"}, "it is missing, and restart is \"window\"",
             "restart_window = \"Sun 02:00-04:00\"");
  }

  // Two clusters that connect to the same place would rotate the same files in turn.
  void servers() {
    std::map<std::string, std::string> seen;
    for (const auto& [name, cluster] : config_.clusters) {
      const auto values = conninfo_values(cluster.conninfo);
      if (cluster.conninfo.empty() || !values) continue;
      const auto [other, added] = seen.emplace(server_address(*values), name);
      if (!added)
        report({"cluster", name, "conninfo"}, fmt::format("it leads to the same server as that of cluster \"{}\"", other->second),
               "one server is one cluster: remove one of the two, or correct host and port");
    }
  }

  enum class Use : std::uint8_t { state, runtime, ca, data, allowed };
  struct UsedPath {
    Use use;
    std::string path;
    std::string owner;              // name of the issuer or cluster
    std::string_view key;
    std::string what;
  };

  std::vector<UsedPath> used_paths() const {
    std::vector<UsedPath> out{{Use::state, config_.daemon.state_directory, {}, "state_directory", "the state directory"},
                              {Use::runtime, config_.daemon.runtime_directory, {}, "runtime_directory", "the runtime directory"}};
    for (const auto& [name, issuer] : config_.issuers)
      if (!issuer.directory.empty())
        out.push_back({Use::ca, issuer.directory, name, "directory", fmt::format("the directory of issuer \"{}\"", name)});
    for (const auto& [name, cluster] : config_.clusters)
      if (!cluster.data_directory.empty())
        out.push_back(
            {Use::data, cluster.data_directory, name, "data_directory", fmt::format("the data directory of cluster \"{}\"", name)});
    for (const auto& path : config_.daemon.allowed_directories)
      out.push_back({Use::allowed, path, {}, "allowed_directories", fmt::format("the allowed directory \"{}\"", path)});
    return out;
  }

  static bool inside(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
  }

  // May `later` and `earlier` (as used_paths() orders them) be as they are?
  bool compatible(const UsedPath& earlier, const UsedPath& later) const {
    if (!inside(earlier.path, later.path) && !inside(later.path, earlier.path)) return true;
    if (later.use == Use::allowed) return earlier.use == Use::data || earlier.use == Use::allowed;
    if (earlier.path == later.path) return false;
    if (earlier.use == Use::state && later.use == Use::runtime) return true;
    // A CA may live in the state directory, but not where clusters and requests have their places.
    if (earlier.use == Use::state && later.use == Use::ca)
      return inside(later.path, earlier.path) &&
             std::ranges::none_of(std::initializer_list<const char*>{"clusters", "pending", "requests", "http", "crls"},
                                  [&](const char* taken) { return inside(later.path, earlier.path + "/" + taken); });
    return false;
  }

  void report_clash(const UsedPath& path, const UsedPath& other) {
    const std::string message = fmt::format("{} and {} {}: \"{}\", \"{}\"", path.what, other.what,
                                            path.path == other.path ? "are the same" : "lie in one another",
                                            printable(path.path, 200), printable(other.path, 200));
    const std::string remedy = "give each a directory of its own";
    if (path.use == Use::ca) report({"issuer", path.owner, path.key}, message, remedy);
    else if (path.use == Use::data) report({"cluster", path.owner, path.key}, message, remedy);
    else report({"daemon", path.key}, message, remedy);
  }

  // A path that clashes is left out from there on: what else clashes with it may only follow from that.
  void paths() {
    std::vector<UsedPath> good;
    for (UsedPath path : used_paths()) {
      const auto clash = std::ranges::find_if(good, [&](const UsedPath& earlier) { return !compatible(earlier, path); });
      if (clash == good.end()) good.push_back(std::move(path));
      else report_clash(path, *clash);
    }
  }

  const Config& config_;
  const Node& root_;
  const HostAccounts& accounts_;
  std::vector<ConfigIssue>& issues_;
};

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string out;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  // A key of megabytes is near to nothing, and the distance costs the product of both lengths.
  const std::string_view head = word.substr(0, 100);
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(head, candidate);
    if (distance >= least) continue;
    least = distance;
    out = candidate;
  }
  return out;
}

void fill_defaults(Config& config) {
  if (config.issuers.empty() && (!config.clusters.empty() || !config.http.issuer.empty())) config.issuers["local"].name = "local";
  for (auto& [name, issuer] : config.issuers)
    if (issuer.directory.empty() && issuer.type != IssuerType::self_signed)
      issuer.directory = config.daemon.state_directory + "/ca";
  if (config.issuers.size() != 1) return;
  for (auto& [name, cluster] : config.clusters)
    if (cluster.issuer.empty()) cluster.issuer = config.issuers.begin()->first;
}

void cross_check(const Config& config, const Node& root, const HostAccounts& accounts, std::vector<ConfigIssue>& issues) {
  Checks(config, root, accounts, issues).run();
}

}  // namespace pgcertd::config
