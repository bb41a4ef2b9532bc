// Fleet: the workers of all clusters and issuers of one configuration. apply() replaces what has changed and leaves the
// rest running. Loop thread, but for what only finds and names, which any thread may call. These wait while apply() is at work:
// a worker that it exchanges is not one that is missing.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/publisher.hpp"
#include "pgcertd/claims.hpp"
#include "pgcertd/cluster_worker.hpp"
#include "pgcertd/crl_sources.hpp"
#include "pgcertd/history.hpp"
#include "pgcertd/queued_issuer.hpp"
#include "pgcertd/settings.hpp"
#include "service/heartbeat.hpp"

namespace pgcertd::daemon {

// Asks whom `find` finds. A worker or issuer that a change of the configuration ends breaks its promise and has done nothing: its
// successor is asked. nullopt: there is none, or it took longer than `patience`.
template <class Find, class Ask>
auto ask_or_successor(std::chrono::steady_clock::duration patience, const Find& find, const Ask& ask) -> std::optional<decltype(ask(*find()))> {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (std::chrono::steady_clock::now() < until) {
    const auto one = find();
    if (!one) break;
    try {
      return ask(*one);
    } catch (const std::future_error&) {
      continue;
    }
  }
  return std::nullopt;
}

class Fleet {
 public:
  Fleet(engine::Publisher& publisher, service::Heartbeats& heartbeats, LogSink& log, History& history, std::function<void(const ClusterView&)> ticked)
      : publisher_(publisher), heartbeats_(heartbeats), log_(log), history_(history), ticked_(std::move(ticked)), crls_(heartbeats, log, [this] { wake_all(); }) {}
  ~Fleet() { stop(); }

  // On an error the workers that could be started run.
  Result<void> apply(const ConfigPtr& config);
  void poke_all();
  void wake_all();
  // Whoever else waits for news of an issuer. Set before the first apply(); called on any thread, and must not block.
  void also_wake(std::function<void()> waiter) { also_woken_ = std::move(waiter); }
  void poke(const std::string& cluster);
  void stop();
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] std::shared_ptr<ClusterWorker> find(const std::string& cluster) const;
  [[nodiscard]] std::shared_ptr<QueuedIssuer> find_issuer(const std::string& name) const;
  [[nodiscard]] std::shared_ptr<QueuedIssuer> issuer_now(const std::string& name) const;   // does not wait
  [[nodiscard]] std::vector<std::string> issuer_names() const;
  [[nodiscard]] std::vector<std::string> clusters_of(const std::string& issuer) const;
  [[nodiscard]] LogSink& log() const { return log_; }
  [[nodiscard]] History& history() const { return history_; }

 private:
  [[nodiscard]] std::vector<std::shared_ptr<const OtherCrls>> other_crls() const;
  [[nodiscard]] std::unique_lock<std::mutex> settled() const;   // waits, but not for ever
  Result<void> exchange(const ConfigPtr& config);
  void end_changed(const Config& next);
  void start_issuers(const ConfigPtr& config);
  Result<void> start_clusters(const ConfigPtr& config);

  engine::Publisher& publisher_;
  service::Heartbeats& heartbeats_;
  LogSink& log_;
  History& history_;
  const std::function<void(const ClusterView&)> ticked_;
  std::function<void()> also_woken_;
  ConfigPtr config_;
  CrlSources crls_;
  Claims claims_;
  std::atomic<bool> ended_ = false;
  mutable std::mutex mutex_;                        // guards the maps
  mutable std::condition_variable settled_;
  bool changing_ = true;                            // until the first configuration is applied
  std::map<std::string, std::shared_ptr<QueuedIssuer>> issuers_;
  std::map<std::string, std::shared_ptr<ClusterWorker>> workers_;
};

}  // namespace pgcertd::daemon
