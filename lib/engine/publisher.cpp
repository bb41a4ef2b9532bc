#include "engine/publisher.hpp"

#include <algorithm>
#include <iterator>

#include "engine/view.hpp"

namespace pgcertd::engine {
namespace {

bool holds(const std::vector<std::string>& names, const std::string& name) { return std::ranges::find(names, name) != names.end(); }

}  // namespace

void Publisher::publish(ClusterView view, const TaskView& task, std::uint64_t state_write_failures, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!holds(expected_, view.name)) return;   // a worker that ends after a reload of the configuration
  write_failures_[view.name] = state_write_failures;
  tasks_[task.name] = task;
  if (const auto before = clusters_.find(view.name); before != clusters_.end()) keep_last_known(view, before->second);
  clusters_[view.name] = std::move(view);
  compose(now);
}

void Publisher::publish(IssuerView view, const TaskView& task, TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!holds(expected_issuers_, view.seen.name)) return;   // likewise
  tasks_[task.name] = task;
  issuers_[view.seen.name] = std::move(view);
  compose(now);
}

void Publisher::publish(ListenerView view, const TaskView& task, TimePoint now) {
  const std::lock_guard lock(mutex_);
  tasks_[task.name] = task;
  listener_ = std::move(view);
  compose(now);
}

void Publisher::forget_listener(TimePoint now) {
  const std::lock_guard lock(mutex_);
  if (!listener_) return;
  tasks_.erase("http");
  listener_.reset();
  compose(now);
}

void Publisher::configure(const std::vector<std::string>& clusters, const std::vector<std::string>& issuers, bool config_ok, TimePoint loaded_at,
                          std::vector<Finding> own, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto gone = [](const std::vector<std::string>& names) {
    return [&names](const auto& item) { return !holds(names, item.first); };
  };
  expected_ = clusters;
  expected_issuers_ = issuers;
  std::erase_if(clusters_, gone(clusters));
  std::erase_if(issuers_, gone(issuers));
  std::erase_if(tasks_, [&](const auto& item) {
    const std::string name = item.first.substr(item.first.find(':') + 1);
    return item.first.starts_with("cluster:") ? !clusters_.contains(name) : item.first.starts_with("issuer:") && !issuers_.contains(name);
  });
  std::vector<StandingProblem> standing;
  for (Finding& f : own) {
    const auto known = std::find_if(own_.begin(), own_.end(), [&](const StandingProblem& p) { return p.finding.code == f.code; });
    standing.push_back({std::move(f), known == own_.end() ? now : known->since});
  }
  own_ = std::move(standing);
  config_ok_ = config_ok;
  config_loaded_at_ = loaded_at;
  compose(now);
}

void Publisher::chain_head(std::int64_t event, std::string hash, TimePoint now) {
  const std::lock_guard lock(mutex_);
  chain_head_ = {event, std::move(hash), now};
  compose(now);
}

SnapshotPtr Publisher::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

void Publisher::compose(TimePoint now) {
  auto next = std::make_shared<Snapshot>();
  next->version = ++version_;
  next->generated_at = now;
  next->config_ok = config_ok_;
  next->config_loaded_at = config_loaded_at_;
  next->problems = own_;
  next->chain_head = chain_head_;
  std::ranges::copy_if(expected_, std::back_inserter(next->awaited), [&](const std::string& name) { return !clusters_.contains(name); });
  next->first_pass_done = next->awaited.empty();
  next->status = next->first_pass_done ? Severity::ok : Severity::unknown;
  const auto weigh = [&](const std::vector<StandingProblem>& problems) {
    for (const StandingProblem& p : problems) next->status = worse(next->status, p.finding.severity);
  };
  for (const auto& [name, view] : clusters_) next->clusters.push_back(view), weigh(view.problems);
  for (const auto& [name, view] : issuers_) next->issuers.push_back(view), weigh(view.problems);
  next->listener = listener_;
  if (listener_) weigh(listener_->problems);
  for (const auto& [name, task] : tasks_) next->tasks.push_back(task);
  for (const auto& [name, count] : write_failures_) next->state_write_failures += count;
  weigh(own_);
  snapshot_ = std::move(next);
  if (changed_) changed_();
}

}  // namespace pgcertd::engine
