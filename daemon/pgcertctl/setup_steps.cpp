#include "pgcertctl/setup_steps.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <filesystem>

#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "ca/durable_file.hpp"
#include "config/conninfo.hpp"
#include "files/host.hpp"
#include "pgcertctl/setup_files.hpp"
#include "pgcertctl/setup_issuer.hpp"
#include "pgcertctl/undo_steps.hpp"
#include "postgres/account.hpp"

namespace pgcertd::ctl {
namespace {

namespace fs = std::filesystem;
using postgres::LocalCluster;

constexpr const char* role_name = "pgcertd";

Result<void> read_config(Host& host) {
  if (::access(host.config_path.c_str(), F_OK) != 0 && errno == ENOENT) {
    host.config.daemon.state_directory = host.command.state_directory;
    return {};
  }
  PGCERTD_TRY(host.files, read_config_files(host.config_path));
  PGCERTD_TRY(host.config, config_of(host.files));
  return {};
}

std::string without_links(const std::string& path) {
  std::error_code failed;   // then it is compared as it stands
  const auto real = fs::canonical(path, failed);
  return failed ? path : real.string();
}

bool leads_to(const ClusterConfig& configured, const LocalCluster& found) {
  if (!configured.data_directory.empty()) return without_links(configured.data_directory) == found.data_directory;
  const auto values = config::conninfo_values(configured.conninfo);
  if (!values) return false;
  const auto value = [&](const char* key, const char* otherwise) {
    const auto at = values->find(key);
    return at == values->end() || at->second.empty() ? std::string(otherwise) : at->second;
  };
  const std::string host = value("host", "/var/run/postgresql");
  if (value("port", "5432") != std::to_string(found.port)) return false;
  return !host.starts_with('/') ? found.socket_directory.empty() : without_links(host) == without_links(found.socket_directory);
}

// The name that the configuration has for it, or a new one that it does not have.
std::string name_in(const Config& config, const LocalCluster& found, const std::vector<std::string>& others) {
  std::vector<std::string> taken = others;
  for (const auto& [name, cluster] : config.clusters) {
    if (leads_to(cluster, found)) return name;
    taken.push_back(name);
  }
  return postgres::free_name(found.name, found, taken);
}

Result<void> find_clusters(Host& host, std::vector<std::string>& notes) {
  PGCERTD_TRY(auto found, postgres::find_local_clusters({.root = {}, .directories = host.command.data_directories}));
  notes = std::move(found.passed_over);
  if (found.clusters.empty() && !host.command.undo)
    return fail(Errc::not_found, "no PostgreSQL cluster was found on this host", "name its data directory with --data-directory; as root setup sees all of them");
  std::vector<std::string> taken;
  for (LocalCluster& cluster : found.clusters) {
    cluster.name = name_in(host.config, cluster, taken);
    taken.push_back(cluster.name);
    const std::string superuser = host.command.superuser.empty() ? cluster.owner : host.command.superuser;
    host.logins.push_back({.cluster = std::move(cluster), .superuser = superuser, .role = role_name, .daemon_user = host.command.user});
  }
  return {};
}

Step user_step(const Host& host) {
  const auto look = [&host]() -> Result<StepSeen> {
    if (postgres::account_of(host.command.user)) return StepSeen{true, "the daemon's user is there"};
    return fail(Errc::not_found, fmt::format("there is no user \"{}\" for the daemon to run as", printable(host.command.user, 80)),
                "systemd-sysusers pgcertd.conf; or name another with --user");
  };
  return {"user " + host.command.user, look, [] { return Result<void>{}; }};
}

Result<void> make_state_directory(const std::string& path, const std::string& user) {
  const auto account = postgres::account_of(user);
  if (!account) return fail(Errc::not_found, fmt::format("there is no user \"{}\"", user));
  if (::mkdir(path.c_str(), 0700) != 0) return fail(errno_error("mkdir", path, errno));
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory || ::fchown(directory.get(), account->uid, account->gid) != 0) return fail(errno_error("fchown", path, errno));
  if (::fchmod(directory.get(), 0711) != 0) return fail(errno_error("fchmod", path, errno));
  return {};
}

std::string mark_in(const std::string& directory) { return directory + "/" + unused_mark; }

bool is_marked(const std::string& directory) { return ::access(mark_in(directory).c_str(), F_OK) == 0; }

Result<void> take_mark_away(const std::string& directory) {
  if (::unlink(mark_in(directory).c_str()) != 0) return fail(errno_error("unlink", mark_in(directory), errno));
  return {};
}

Step state_step(const Host& host) {
  const std::string path = host.config.daemon.state_directory, user = host.command.user;
  const auto look = [path, user]() -> Result<StepSeen> {
    struct stat seen {};
    if (::stat(path.c_str(), &seen) != 0 && errno == ENOENT) return StepSeen{false, fmt::format("make it, mode 0711, owner {}", user)};
    const auto owner = postgres::owner_of(path);
    if (!S_ISDIR(seen.st_mode) || !owner || owner->user != user)
      return fail(Errc::invalid, fmt::format("\"{}\" is no directory of user {}", path, user), fmt::format("chown {} {}", user, path));
    if (is_marked(path)) return StepSeen{false, "take away the mark of setup --undo"};
    return StepSeen{true, "the state directory is there"};
  };
  const auto act = [path, user] { return is_marked(path) ? take_mark_away(path) : make_state_directory(path, user); };
  return {"directory " + path, look, act};
}

Step main_config_step(const Host& host) {
  const std::string path = host.config_path, text = main_config_text(host.config.daemon.state_directory);
  const auto look = [path]() -> Result<StepSeen> {
    PGCERTD_TRY(const FileState state, state_of_file(path));
    return state == FileState::absent ? StepSeen{false, "write it, with defaults"} : StepSeen{true, "a configuration is there, and stays as it is"};
  };
  return {path, look, [path, text] { return write_own(path, text); }};
}

Step role_step(const Login& login) {
  const auto look = [login]() -> Result<StepSeen> {
    PGCERTD_TRY(const bool complete, role_is_complete(login));
    if (!complete) return StepSeen{false, fmt::format("make role {} with the grants of `pgcertctl setup sql`, then log in as it", login.role)};
    if (try_login(login)) return StepSeen{true, "the role is there, and the daemon may log in"};
    return StepSeen{false, fmt::format("log in as role {}", login.role)};
  };
  const auto act = [login]() -> Result<void> {
    PGCERTD_TRY(const bool complete, role_is_complete(login));
    if (!complete) PGCERTD_CHECK(make_role(login));
    return try_login(login);
  };
  return {fmt::format("{}: role {}", login.cluster.name, login.role), look, act};
}

// Where the daemon would find none, so that there is a first certificate all the same; empty: it finds one.
std::vector<std::string> names_of_host() {
  if (files::host_fqdn()) return {};
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0 || host.front() == '\0') return {"localhost"};
  const std::string name = host.data();
  return name == "localhost" ? std::vector{name} : std::vector<std::string>{name, "localhost"};
}

Step cluster_step(const Host& host, const Login& login) {
  const std::string path = cluster_file(host, login.cluster.name), text = cluster_config_text(login.cluster, login.role, names_of_host());
  const bool configured = host.config.clusters.contains(login.cluster.name);
  const auto look = [path, configured]() -> Result<StepSeen> {
    if (configured) return StepSeen{true, "the cluster stands in the configuration"};
    return StepSeen{false, "write " + path};
  };
  return {login.cluster.name + ": configuration", look, [path, text, config = host.config_path] { return write_config(config, path, text); }};
}

// The step of one file: its text is made when it is looked at, since it depends on files that steps before it write.
Step file_step(const std::string& path, const std::function<Result<std::string>()>& text, const std::string& words) {
  const auto look = [path, text, words]() -> Result<StepSeen> {
    PGCERTD_TRY(const std::string wanted, text());
    if (wanted.empty()) return StepSeen{true, "not needed"};
    const auto there = ca::read_file(path);
    return there && *there == wanted ? StepSeen{true, "it is there"} : StepSeen{false, words};
  };
  const auto act = [path, text]() -> Result<void> {
    PGCERTD_TRY(const std::string wanted, text());
    return write_own(path, wanted);
  };
  return {path, look, act};
}

std::vector<LocalCluster> clusters_of(const Host& host) {
  std::vector<LocalCluster> out;
  for (const Login& login : host.logins) out.push_back(login.cluster);
  return out;
}

Step unit_step(const Host& host) {
  const auto text = [&host]() -> Result<std::string> {
    PGCERTD_TRY(const Config config, config_now(host));
    PGCERTD_TRY(const std::string credentials, credential_lines(host, config));
    return unit_drop_in_text(config, clusters_of(host), credentials);
  };
  return file_step(unit_file(host), text, "write it: what the unit needs for this configuration");
}

Step polkit_step(const Host& host) {
  const auto text = [&host]() -> Result<std::string> {
    std::vector<std::string> units;
    const auto there = ca::read_file(polkit_file(host));
    if (there && state_of_text(*there) == FileState::ours) units = units_in_rule(*there);
    for (const Login& login : host.logins)
      if (!login.cluster.unit.empty() && std::ranges::find(units, login.cluster.unit) == units.end()) units.push_back(login.cluster.unit);
    return units.empty() ? std::string() : polkit_rule_text(units, host.command.user);
  };
  return file_step(polkit_file(host), text, "write it: the daemon may reload and restart these clusters' units");
}

}  // namespace

Result<Config> config_of(const std::vector<ConfigFile>& files) {
  LoadedConfig loaded = parse_config(files);
  if (!loaded.config) return fail(Errc::invalid, loaded.issues.empty() ? "the configuration is not usable" : loaded.issues.front().text(), "pgcertctl config check");
  return std::move(*loaded.config);
}

Result<Config> config_now(const Host& host) {
  const auto files = read_config_files(host.config_path);
  return files ? config_of(*files) : Result<Config>(host.config);
}

Result<void> write_config(const std::string& config_path, const std::string& path, const std::string& text) {
  PGCERTD_TRY(std::vector<ConfigFile> files, read_config_files(config_path));
  std::erase_if(files, [&](const ConfigFile& file) { return file.name == path; });
  files.push_back({.name = path, .bytes = text});
  PGCERTD_CHECK(config_of(files));
  return write_own(path, text);
}

std::string cluster_file(const Host& host, const std::string& cluster) {
  return (fs::path(host.config_path).parent_path() / "conf.d" / (cluster + ".toml")).string();
}
std::string issuer_file(const Host& host) { return cluster_file(host, "issuer.setup"); }   // a name that no cluster has
std::string root_file(const Host& host) { return (fs::path(host.config_path).parent_path() / "root.crt").string(); }
std::string unit_file(const Host& host) { return host.system_directory + "/systemd/system/pgcertd.service.d/setup.conf"; }
std::string polkit_file(const Host& host) { return host.system_directory + "/polkit-1/rules.d/50-pgcertd-setup.rules"; }

Result<Host> look_at_host(const Setup& command, const Globals& globals, std::vector<std::string>& notes) {
  Host host;
  host.command = command;
  host.config_path = globals.config;
  host.system_directory = command.system_directory;
  if (host.system_directory.empty() && fs::exists("/run/systemd/system")) host.system_directory = "/etc";
  PGCERTD_CHECK(read_config(host));
  PGCERTD_CHECK(find_clusters(host, notes));
  return host;
}

std::vector<Step> setup_steps(const Host& host, const Session& session) {
  std::vector<Step> out{user_step(host), state_step(host), main_config_step(host)};
  for (Step& step : issuer_steps(host, session)) out.push_back(std::move(step));
  for (const Login& login : host.logins) {
    out.push_back(role_step(login));
    out.push_back(cluster_step(host, login));
  }
  if (!host.system_directory.empty()) {
    out.push_back(unit_step(host));
    out.push_back(polkit_step(host));
  }
  return out;
}

}  // namespace pgcertd::ctl
