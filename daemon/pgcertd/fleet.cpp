#include "pgcertd/fleet.hpp"

#include <algorithm>
#include <chrono>

#include "pgcertd/host.hpp"
#include "pgcertd/issuers.hpp"

namespace pgcertd::daemon {
namespace {

// A worker that hangs is the watchdog's matter: whoever asks is then told that there is none.
constexpr std::chrono::seconds longest_change{20};

Duration longest_leaf(const Config& config, const std::string& issuer) {
  Duration longest{};
  for (const auto& [name, cluster] : config.clusters)
    if (cluster.issuer == issuer) longest = std::max(longest, cluster.lifetime);
  if (config.http.issuer == issuer) longest = std::max(longest, ClusterConfig{}.lifetime);
  return longest;
}

bool same_issuer(const Config& a, const Config& b, const std::string& name) {
  const auto one = a.issuers.find(name), other = b.issuers.find(name);
  // How soon a CA is wanted anew depends on the leaves that it signs.
  return one != a.issuers.end() && other != b.issuers.end() && one->second == other->second && a.daemon == b.daemon && longest_leaf(a, name) == longest_leaf(b, name);
}

bool same_cluster(const Config& a, const Config& b, const std::string& name) {
  const auto one = a.clusters.find(name), other = b.clusters.find(name);
  return one != a.clusters.end() && other != b.clusters.end() && one->second == other->second && same_issuer(a, b, one->second.issuer);
}

}  // namespace

void Fleet::end_changed(const Config& next) {
  std::map<std::string, std::shared_ptr<ClusterWorker>> ended;
  std::map<std::string, std::shared_ptr<QueuedIssuer>> ended_issuers;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = workers_.begin(); it != workers_.end();)
      if (!same_cluster(*config_, next, it->first)) ended.insert(workers_.extract(it++));
      else ++it;
    for (auto it = issuers_.begin(); it != issuers_.end();)
      if (!same_issuer(*config_, next, it->first)) ended_issuers.insert(issuers_.extract(it++));
      else ++it;
  }
  for (const auto& [name, worker] : ended) worker->stop();
  for (const auto& [name, worker] : ended) worker->join();   // their issuers outlive them, whoever else holds a worker
  for (const auto& [name, issuer] : ended_issuers) issuer->stop();
  for (const auto& [name, issuer] : ended_issuers) issuer->join();
}

void Fleet::start_issuers(const ConfigPtr& config) {
  for (const auto& [name, issuer] : config->issuers) {
    const std::lock_guard lock(mutex_);
    if (issuers_.contains(name)) continue;
    issuers_[name] = std::make_shared<QueuedIssuer>(IssuerSettings{issuer, config->daemon.check_interval, longest_leaf(*config, name), config->daemon.clock_bound}, real_issuer(*config, issuer),
                                                    publisher_, heartbeats_, [this] { wake_all(); });
  }
}

Result<void> Fleet::start_clusters(const ConfigPtr& config) {
  const std::string fqdn = host_fqdn();
  Result<void> all;
  std::vector<std::unique_ptr<ClusterParts>> made;   // all, before any takes a server that another had
  for (const auto& [name, cluster] : config->clusters) {
    if (workers_.contains(name)) continue;   // no other thread changes them
    auto parts = ClusterParts::make(*config, desired_of(*config, cluster, fqdn), *issuers_.at(cluster.issuer), log_, [this] { return other_crls(); }, claims_);
    if (parts) made.push_back(std::move(*parts));
    else all = fail(parts.error());
  }
  for (auto& parts : made) {
    const std::string name = parts->desired().cluster.name;
    auto worker = std::make_shared<ClusterWorker>(std::move(parts), WorkerHooks{publisher_, heartbeats_, ticked_});
    const std::lock_guard lock(mutex_);
    workers_[name] = std::move(worker);
  }
  return all;
}

Result<void> Fleet::exchange(const ConfigPtr& config) {
  if (config_) end_changed(*config);
  claims_.keep_only(names_of(config->clusters));
  config_ = config;
  crls_.apply(*config);
  start_issuers(config);
  return start_clusters(config);
}

Result<void> Fleet::apply(const ConfigPtr& config) {
  const auto change = [this](bool begins) {
    const std::lock_guard lock(mutex_);
    changing_ = begins;
    settled_.notify_all();
  };
  change(true);
  auto applied = exchange(config);
  change(false);
  return applied;
}

std::unique_lock<std::mutex> Fleet::settled() const {
  std::unique_lock lock(mutex_);
  settled_.wait_for(lock, longest_change, [this] { return !changing_; });
  return lock;
}

void Fleet::poke_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, worker] : workers_) worker->poke();
}

void Fleet::wake_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, worker] : workers_) worker->wake();
  if (also_woken_) also_woken_();
}

void Fleet::poke(const std::string& cluster) {
  const std::lock_guard lock(mutex_);
  if (const auto worker = workers_.find(cluster); worker != workers_.end()) worker->second->poke();
}

std::shared_ptr<ClusterWorker> Fleet::find(const std::string& cluster) const {
  const auto lock = settled();
  const auto found = workers_.find(cluster);
  return found == workers_.end() ? nullptr : found->second;
}

std::shared_ptr<QueuedIssuer> Fleet::find_issuer(const std::string& name) const {
  (void)settled();
  return issuer_now(name);
}

std::shared_ptr<QueuedIssuer> Fleet::issuer_now(const std::string& name) const {
  const std::lock_guard lock(mutex_);
  const auto found = issuers_.find(name);
  return found == issuers_.end() ? nullptr : found->second;
}

std::vector<std::string> Fleet::issuer_names() const {
  const auto lock = settled();
  return names_of(issuers_);
}

// What is fetched, and what each issuer of this host publishes: a cluster that has changed its issuer still needs the former one's.
std::vector<std::shared_ptr<const OtherCrls>> Fleet::other_crls() const {
  auto out = crls_.all();
  std::map<std::string, std::shared_ptr<QueuedIssuer>> issuers;
  {
    const std::lock_guard lock(mutex_);
    issuers = issuers_;
  }
  for (const auto& [name, issuer] : issuers)
    if (auto published = issuer->published()) out.push_back(std::move(published));
  return out;
}

std::vector<std::string> Fleet::clusters_of(const std::string& issuer) const {
  const auto lock = settled();
  std::vector<std::string> names;
  for (const auto& [name, worker] : workers_)
    if (worker->issuer() == issuer) names.push_back(name);
  return names;
}

void Fleet::stop() {
  ended_ = true;
  std::map<std::string, std::shared_ptr<ClusterWorker>> workers;
  std::map<std::string, std::shared_ptr<QueuedIssuer>> issuers;
  {
    const std::lock_guard lock(mutex_);
    workers.swap(workers_);
    issuers.swap(issuers_);
  }
  crls_.stop();
  for (const auto& [name, worker] : workers) worker->stop();
  for (const auto& [name, issuer] : issuers) issuer->stop();
  for (const auto& [name, worker] : workers) worker->join();
  for (const auto& [name, issuer] : issuers) issuer->join();
}

}  // namespace pgcertd::daemon
