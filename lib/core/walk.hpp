// The walk that plan() takes: one observation with what is derived from it, and what a rule may answer. Private to core.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "core/plan.hpp"

namespace pgcertd {

struct Walk {
  const Desired& desired;
  const Observation& seen;
  const NeedOf& need;
  TimePoint now;
  const GenerationSeen* current;

  [[nodiscard]] bool paused() const;
  [[nodiscard]] bool backing_off() const;
  [[nodiscard]] bool current_proved() const;
  [[nodiscard]] bool current_refused() const;
  // Can the server be told to read its files again by the configured way?
  [[nodiscard]] bool may_reload() const;
  // Must a reload wait, as it would also apply what somebody is half-way through editing? Not in the certificate's last tenth.
  [[nodiscard]] bool guarded() const;
  // Are the server's own paths to be links through `current`: wanted, and possible?
  [[nodiscard]] bool in_place() const;
  // Of the current generation; or nullptr.
  [[nodiscard]] const PublishAttempt* attempt() const;
};

struct Decision {
  std::optional<Action> action;
  Stage stage = Stage::nothing;
  std::string reason;
  std::optional<TimePoint> wake_at;   // sooner than the next pass: the cluster is not at rest
};
using Rule = std::optional<Decision> (*)(const Walk&);

inline Decision act(Stage stage, Action action, std::string reason) { return {std::move(action), stage, std::move(reason), std::nullopt}; }
inline Decision rest(Stage stage, std::string reason) { return {std::nullopt, stage, std::move(reason), std::nullopt}; }
inline Decision soon(Stage stage, std::string reason, TimePoint at) { return {std::nullopt, stage, std::move(reason), at}; }

// Rules that protect what is live (plan_live.cpp); nullopt: nothing to say.
std::optional<Decision> look_first(const Walk& w);
std::optional<Decision> repair_files(const Walk& w);
std::optional<Decision> foreign_change(const Walk& w);
std::optional<Decision> undo_refused(const Walk& w);
std::optional<Decision> prove(const Walk& w);
std::optional<Decision> settings(const Walk& w);
std::optional<Decision> trust_settings(const Walk& w);
std::optional<Decision> restart(const Walk& w);

}  // namespace pgcertd
