#include "pgcertctl/undo_steps.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "pgcertctl/setup_credential.hpp"
#include "pgcertctl/setup_files.hpp"
#include "pgcertctl/undo_cluster.hpp"
#include "store/state_lock.hpp"
#include "store/state_store.hpp"

namespace pgcertd::ctl {
namespace {

bool is_there(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0;
}

// Held until this program ends: a daemon that starts meanwhile would set everything again.
Step daemon_step(const Host& host) {
  const auto held = std::make_shared<std::optional<store::StateLock>>();
  const auto look = [held, state = host.config.daemon.state_directory]() -> Result<StepSeen> {
    if (*held || !is_there(state + "/lock")) return StepSeen{true, "it does not run"};
    auto lock = store::lock_state(state);
    if (!lock && lock.error().code == Errc::busy) return fail(Errc::busy, "the daemon runs, and would set everything again", "systemctl disable --now pgcertd, then run this again");
    if (!lock) return fail(std::move(lock).error());
    held->emplace(std::move(*lock));
    return StepSeen{true, "it does not run"};
  };
  return {"daemon", look, [] { return Result<void>{}; }};
}

Result<ClusterMemory> memory_of(const Host& host, const std::string& cluster) {
  const auto store = store::StateStore::open_to_read(host.config.daemon.state_directory + "/pgcertd.db");
  if (!store && store.error().code == Errc::not_found) return ClusterMemory{};
  if (!store) return fail(Error(store.error()));
  return (*store)->load(cluster);
}

Result<UndoCluster> undo_of(const Host& host, const Login& login) {
  UndoCluster out{.login = login, .memory = {}, .state_directory = host.config.daemon.state_directory, .ca_directories = {}, .allowed_directories = host.config.daemon.allowed_directories};
  for (const auto& [name, issuer] : host.config.issuers)
    if (!issuer.directory.empty()) out.ca_directories.push_back(issuer.directory);
  PGCERTD_TRY(out.memory, memory_of(host, login.cluster.name));
  return out;
}

Step settings_step(const Host& host, const Login& login) {
  const auto look = [&host, login]() -> Result<StepSeen> {
    PGCERTD_TRY(const UndoCluster undo, undo_of(host, login));
    return look_at_settings(undo);
  };
  const auto act = [&host, login]() -> Result<void> {
    PGCERTD_TRY(const UndoCluster undo, undo_of(host, login));
    return give_settings_back(undo);
  };
  return {login.cluster.name + ": settings", look, act};
}

Step role_step(const Login& login) {
  const auto look = [login]() -> Result<StepSeen> {
    PGCERTD_TRY(const bool there, role_exists(login));
    return there ? StepSeen{false, "drop it, with what it was granted"} : StepSeen{true, "it is not there"};
  };
  return {fmt::format("{}: role {}", login.cluster.name, login.role), look, [login] { return drop_role(login); }};
}

// A cluster of the configuration that this host has not: gone, or reached over the network.
Step missing_step(const ClusterConfig& cluster) {
  const auto look = [cluster]() -> Result<StepSeen> {
    if (!cluster.data_directory.empty() && !is_there(cluster.data_directory)) return StepSeen{true, "its data directory is gone"};
    return fail(Errc::not_found, fmt::format("cluster \"{}\" was not found on this host", cluster.name), "name its data directory with --data-directory, or take its section out of the configuration");
  };
  return {cluster.name + ": settings", look, [] { return Result<void>{}; }};
}

Result<void> remove_file(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(errno_error("unlink", path, errno));
  return ca::sync_directory(ca::parent_of(path));
}

Step file_step(const std::string& path) {
  const auto look = [path]() -> Result<StepSeen> {
    PGCERTD_TRY(const FileState state, state_of_file(path));
    switch (state) {
      case FileState::ours: return StepSeen{false, "remove it"};
      case FileState::changed: return StepSeen{true, "it was changed since setup wrote it, and stays"};
      case FileState::foreign: return StepSeen{true, "it is not of setup, and stays"};
      case FileState::absent: break;
    }
    return StepSeen{true, "it is not there"};
  };
  return {path, look, [path] { return remove_file(path); }};
}

// Without it the CA's key, which stays, could never be opened again.
Step credential_step(const Host& host) {
  const Credential credential = credential_for(host.system_directory);
  const auto look = [credential] () -> Result<StepSeen> {
    if (!is_there(credential.path)) return StepSeen{true, "it is not there"};
    return StepSeen{true, "it stays with the CA's key, which it opens: a purge of the package removes both"};
  };
  return {"credential " + credential.path, look, [] { return Result<void>{}; }};
}

Step mark_step(const Host& host) {
  const std::string state = host.config.daemon.state_directory, mark = state + "/" + unused_mark;
  const auto look = [state, mark]() -> Result<StepSeen> {
    if (!is_there(state)) return StepSeen{true, "it is not there"};
    if (is_there(mark)) return StepSeen{true, "it is marked as unused"};
    return StepSeen{false, "mark it as unused: a purge of the package then removes it, the CA's keys too"};
  };
  return {"directory " + state, look, [mark] { return ca::write_new_file(mark, "pgcertctl setup --undo\n", 0644); }};
}

}  // namespace

std::vector<Step> undo_steps(const Host& host) {
  std::vector<Step> out{daemon_step(host)};
  std::vector<std::string> found;
  for (const Login& login : host.logins) {
    if (!host.config.clusters.contains(login.cluster.name)) continue;
    found.push_back(login.cluster.name);
    out.push_back(settings_step(host, login));
    out.push_back(role_step(login));
  }
  for (const auto& [name, cluster] : host.config.clusters)
    if (std::ranges::find(found, name) == found.end()) out.push_back(missing_step(cluster));
  for (const auto& [name, cluster] : host.config.clusters) out.push_back(file_step(cluster_file(host, name)));
  if (!host.system_directory.empty()) {
    out.push_back(file_step(unit_file(host)));
    out.push_back(file_step(polkit_file(host)));
  }
  out.push_back(file_step(issuer_file(host)));
  out.push_back(file_step(root_file(host)));
  out.push_back(file_step(host.config_path));
  if (!host.system_directory.empty()) out.push_back(credential_step(host));
  out.push_back(mark_step(host));
  return out;
}

}  // namespace pgcertd::ctl
