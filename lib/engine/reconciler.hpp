// Reconciler: one cluster's tick: observe, plan, act one step, say what happened. What is to be done is derived afresh at
// each tick, so that a crash, a restart of the daemon and a normal tick are one path. One thread: the cluster's worker.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "core/snapshot.hpp"
#include "engine/executor.hpp"
#include "engine/observer.hpp"

namespace pgcertd::engine {

struct TickResult {
  ClusterView view;
  bool acted = false;
  bool failed = false;          // its step did
  bool broken_off = false;      // the daemon ends; there is no view
  bool at_rest = true;          // nothing to do before wake_at but wait
  TimePoint wake_at{};
};

// What an operator may ask of a cluster. The uid is written into the event.
struct Command {
  enum class Kind : std::uint8_t { rotate, rollback, pause, resume, takeover, terminate };
  Kind kind = Kind::rotate;
  bool force = false;           // rotate: although it is not due
  Duration pause_for{};
  std::string reason{};
  uid_t uid = 0;
  std::vector<std::string> serials{};   // terminate: sessions that were opened with one of these certificates
};

class Reconciler {
 public:
  Reconciler(const ClusterPorts& ports, LogSink& log) : ports_(ports), observer_(ports), executor_(ports), log_(log) {}

  // One tick. `full`: ask the server and its endpoints again whatever is remembered.
  TickResult tick(const Desired& desired, TimePoint now, bool full);
  // Keeps an operator's wish; the next tick acts on it. The text is for the operator.
  Result<std::string> command(const Desired& desired, const Command& command, TimePoint now);
  // The plan as it would be now; with `asked`, as if a rotation had been asked for.
  Plan preview(const Desired& desired, TimePoint now, bool asked);

  void skip_preflight(bool skip) { observer_.skip_preflight(skip); }
  // The names in use: configured, or fixed at the first issue.
  [[nodiscard]] const ClusterMemory& memory() const { return memory_; }
  [[nodiscard]] std::uint64_t state_write_failures() const { return state_write_failures_; }

 private:
  void load(const Desired& desired);
  Desired with_fixed_names(const Desired& desired) const;
  std::vector<Event> remember(const Desired& desired, const Observation& seen, Plan& plan, TimePoint now);
  void keep(const Desired& desired, const ClusterMemory& before, std::vector<Event> events, TimePoint now);
  // The one step of this tick, unless the cluster goes round in circles.
  std::vector<Event> act(Plan& plan, const Desired& desired, const Observation& seen, TimePoint now, TickResult& out);
  void note_result(const Desired& desired, const Action& action, const Result<void>& result, TimePoint now, TickResult& out);
  bool held_back(const Plan& plan, const Desired& desired, TimePoint now) const;
  void say(const std::vector<Event>& events);
  void rest();   // no connection to the server stays
  Result<std::string> end_sessions(const std::vector<std::string>& serials);
  Result<TakeoverGrant> consent(const Desired& desired, TimePoint now);
  Result<void> check_rollback(const Desired& desired, TimePoint now);
  std::vector<Finding> own_findings() const;

  ClusterPorts ports_;
  Observer observer_;
  Executor executor_;
  LogSink& log_;
  ClusterMemory memory_;
  bool loaded_ = false;
  std::optional<Error> load_error_;
  std::optional<Error> write_error_;         // of the store; stands until it could be written again
  std::optional<Finding> step_problem_;      // why a step failed; stands until a step succeeds or none is left
  std::optional<std::size_t> failed_step_;   // the kind of action that failed last, held back until
  TimePoint try_again_at_{};
  std::string held_by_;                      // the cluster that has this one's server, by the last look
  std::vector<Event> unsaved_;               // what happened while the store could not be written
  std::uint64_t state_write_failures_ = 0;
  std::uint32_t errors_in_a_row_ = 0;
  std::uint32_t acts_in_a_row_ = 0;
};

}  // namespace pgcertd::engine
