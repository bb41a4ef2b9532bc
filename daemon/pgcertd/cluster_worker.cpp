#include "pgcertd/cluster_worker.hpp"

#include <algorithm>
#include <atomic>

#include "pgcertd/clock.hpp"

namespace pgcertd::daemon {

using namespace std::chrono_literals;

ClusterWorker::ClusterWorker(std::unique_ptr<ClusterParts> parts, WorkerHooks hooks)
    : parts_(std::move(parts)), hooks_(std::move(hooks)), task_("cluster:" + parts_->desired().cluster.name) {
  thread_ = std::thread([this] { run(); });
}

ClusterWorker::~ClusterWorker() {
  stop();
  join();
}

void ClusterWorker::join() {
  if (thread_.joinable()) thread_.join();
}

void ClusterWorker::stop() {
  parts_->cancel();
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
}

void ClusterWorker::poke() {
  const std::lock_guard lock(mutex_);
  poked_ = true;
  changed_.notify_all();
}

std::future<void> ClusterWorker::look() {
  const std::lock_guard lock(mutex_);
  poked_ = true;
  changed_.notify_all();
  if (ended_) return std::promise<void>().get_future();
  return lookers_.emplace_back().get_future();
}

void ClusterWorker::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

template <class Answer, class Act>
Awaited<Answer> ClusterWorker::ask(Act act, bool look) {
  auto promise = std::make_shared<std::promise<Answer>>();
  auto taken = std::make_shared<std::atomic<bool>>(false);
  Awaited<Answer> answer(promise->get_future(), taken);
  const std::lock_guard lock(mutex_);
  if (ended_) return answer;
  poked_ = poked_ || look;
  asked_.emplace_back([promise = std::move(promise), taken = std::move(taken), act = std::move(act)] {
    if (!taken->exchange(true)) promise->set_value(act());
  });
  changed_.notify_all();
  return answer;
}

Awaited<Result<std::string>> ClusterWorker::command(engine::Command command) {
  return ask<Result<std::string>>([this, command = std::move(command)] { return parts_->reconciler().command(desired(), command, wall_clock()); }, true);
}

Awaited<Plan> ClusterWorker::preview(bool asked) {
  return ask<Plan>([this, asked] { return parts_->reconciler().preview(desired(), wall_clock(), asked); });
}

// Everything was looked at for its preview: no need to look again.
Awaited<Rotated> ClusterWorker::rotate(engine::Command command, std::function<bool(const Plan&)> due) {
  return ask<Rotated>([this, command = std::move(command), due = std::move(due)] {
    Rotated out{parts_->reconciler().preview(desired(), wall_clock(), command.force), {}};
    if (due(out.plan)) out.answer = parts_->reconciler().command(desired(), command, wall_clock());
    return out;
  });
}

bool ClusterWorker::wait(TimePoint until) {
  std::unique_lock lock(mutex_);
  const auto called = [&] { return stopping_ || poked_ || woken_ || !asked_.empty(); };
  if (!called() && until > wall_clock()) {
    const Duration left = until - wall_clock();   // by a clock that nobody sets: one set back must not turn it into hours
    if (left > 1s) hooks_.heartbeats.idle(task_);
    changed_.wait_for(lock, left, called);
  }
  return !stopping_;
}

// What is not begun when the worker ends is dropped, and breaks its promise. Each may take as long as a pass.
void ClusterWorker::carry_out(const std::deque<std::function<void()>>& asked) {
  for (const auto& one : asked) {
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    one();
    hooks_.heartbeats.beat(task_, std::chrono::steady_clock::now());
  }
}

void ClusterWorker::tick() {
  const auto started = std::chrono::steady_clock::now();
  hooks_.heartbeats.beat(task_, started);
  bool full = started >= next_full_;
  std::deque<std::function<void()>> asked;
  {
    const std::lock_guard lock(mutex_);
    full = std::exchange(poked_, false) || full;
    woken_ = false;
    asked.swap(asked_);
    std::move(lookers_.begin(), lookers_.end(), std::back_inserter(waiting_));
    lookers_.clear();
  }
  carry_out(asked);
  asked.clear();   // what was dropped is told so before the look
  if (full) next_full_ = started + desired().check_interval;
  const TimePoint now = wall_clock();
  engine::TickResult result = parts_->reconciler().tick(desired(), now, full);
  wake_at_ = std::min(result.wake_at, now + 1h);
  if (result.broken_off) return;
  if (result.failed) ++errors_;
  if (hooks_.ticked) hooks_.ticked(result.view);
  hooks_.publisher.publish(std::move(result.view), TaskView{task_, now, desired().check_interval, errors_}, parts_->reconciler().state_write_failures(), now);
  if (!result.at_rest) return;
  for (auto& looker : waiting_) looker.set_value();
  waiting_.clear();
}

void ClusterWorker::run() {
  wake_at_ = wall_clock();
  while (wait(wake_at_)) tick();
  hooks_.heartbeats.forget(task_);
  waiting_.clear();
  const std::lock_guard lock(mutex_);   // who still waits is told now
  ended_ = true;
  asked_.clear();
  lookers_.clear();
}

}  // namespace pgcertd::daemon
