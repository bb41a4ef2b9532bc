// ClusterWorker: one cluster's thread. It owns the cluster's adapters and its reconciler, and wakes when a pass is due, when
// a file changed, or when an operator asks. Everything public is thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/publisher.hpp"
#include "engine/reconciler.hpp"
#include "pgcertd/awaited.hpp"
#include "pgcertd/cluster_parts.hpp"
#include "service/heartbeat.hpp"

namespace pgcertd::daemon {

struct WorkerHooks {
  engine::Publisher& publisher;
  service::Heartbeats& heartbeats;
  // Told after each tick: the view, for watches and the service manager's status line. On the worker's thread.
  std::function<void(const ClusterView&)> ticked;
};

struct Rotated {
  Plan plan;
  std::optional<Result<std::string>> answer;   // none: it was not due
};

class ClusterWorker {
 public:
  ClusterWorker(std::unique_ptr<ClusterParts> parts, WorkerHooks hooks);
  ~ClusterWorker();

  // The name of its issuer, which stays as it is.
  [[nodiscard]] const std::string& issuer() const { return desired().cluster.issuer; }
  void poke();                       // look at everything again, now
  // As poke(); ready when everything was looked at and what could be done at once is done.
  std::future<void> look();
  void wake();                       // go on now, with what was last seen of the server
  void stop();                       // returns at once
  void join();                       // after stop(): its thread has ended. For one thread, whoever else still holds the worker
  // A promise that is broken: the worker ended first, and nothing was done.
  Awaited<Result<std::string>> command(engine::Command command);
  Awaited<Plan> preview(bool asked);
  // The same, and at once what `command` says where `due` finds that the plan is a reason to.
  Awaited<Rotated> rotate(engine::Command command, std::function<bool(const Plan&)> due);
  [[nodiscard]] const Desired& desired() const { return parts_->desired(); }

 private:
  template <class Answer, class Act>
  Awaited<Answer> ask(Act act, bool look = false);   // on the worker's thread, before its next look; `look`: at everything
  void run();
  bool wait(TimePoint until);        // false: stop
  void tick();
  void carry_out(const std::deque<std::function<void()>>& asked);

  const std::unique_ptr<ClusterParts> parts_;      // the thread's alone, but for cancel()
  const WorkerHooks hooks_;
  const std::string task_;
  TimePoint wake_at_{};
  std::chrono::steady_clock::time_point next_full_{};
  std::uint64_t errors_ = 0;
  std::vector<std::promise<void>> waiting_;        // until the cluster is at rest; the thread's alone

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> asked_;
  std::vector<std::promise<void>> lookers_;        // since the last tick began
  bool poked_ = false, woken_ = false, stopping_ = false, ended_ = false;
  std::thread thread_;
};

}  // namespace pgcertd::daemon
