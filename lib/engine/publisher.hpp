// Publisher: composes the Snapshot that everybody reads from the views that the workers hand in. Any thread.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "core/snapshot.hpp"

namespace pgcertd::engine {

class Publisher {
 public:
  // `changed` is called with each change, on the thread that brings it; it must not call back. Whoever asks after it sees the change.
  explicit Publisher(std::function<void()> changed = {}) : changed_(std::move(changed)) {}
  // Each worker publishes its own view; a new version is composed at once.
  void publish(ClusterView view, const TaskView& task, std::uint64_t state_write_failures, TimePoint now);
  void publish(IssuerView view, const TaskView& task, TimePoint now);
  void publish(ListenerView view, const TaskView& task, TimePoint now);
  // It speaks plain HTTP now.
  void forget_listener(TimePoint now);
  // The daemon's own problems (configuration, clock), and which clusters and issuers there are.
  void configure(const std::vector<std::string>& clusters, const std::vector<std::string>& issuers, bool config_ok, TimePoint loaded_at,
                 std::vector<Finding> own, TimePoint now);
  void chain_head(std::int64_t event, std::string hash, TimePoint now);
  [[nodiscard]] SnapshotPtr snapshot() const;

 private:
  void compose(TimePoint now);   // under mutex_

  const std::function<void()> changed_;
  mutable std::mutex mutex_;
  std::map<std::string, ClusterView> clusters_;
  std::map<std::string, IssuerView> issuers_;
  std::optional<ListenerView> listener_;
  std::map<std::string, TaskView> tasks_;
  std::map<std::string, std::uint64_t> write_failures_;
  std::vector<std::string> expected_, expected_issuers_;
  std::vector<StandingProblem> own_;
  bool config_ok_ = true;
  TimePoint config_loaded_at_{};
  ChainHead chain_head_;
  std::uint64_t version_ = 0;
  SnapshotPtr snapshot_ = std::make_shared<const Snapshot>();
};

}  // namespace pgcertd::engine
