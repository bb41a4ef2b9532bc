#include "engine/reconciler.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.hpp"
#include "core/audit.hpp"
#include "core/exposed_keys.hpp"
#include "engine/view.hpp"

namespace pgcertd::engine {
namespace {

using namespace std::chrono_literals;

// More steps than any rotation has: whatever goes round in circles by itself is slowed down to one step a pass.
constexpr std::uint32_t acts_before_rest = 64;
// A disk that is full for long must not fill the memory too.
constexpr std::size_t unsaved_kept = 256;

bool may_change_server(const Action& action) {
  return std::holds_alternative<action::Reload>(action) || std::holds_alternative<action::ChangeSettings>(action) ||
         std::holds_alternative<action::RollBack>(action) || std::holds_alternative<action::LinkLive>(action) || std::holds_alternative<action::Restart>(action);
}

constexpr const char* room_remedy = "make room, or mount the state directory read-write; pgcertd goes on by itself";

bool cannot_write(const Error& error) { return error.code == Errc::no_space || error.code == Errc::read_only || error.code == Errc::database; }

Finding unwritable(const Error& error) {
  return finding(ProblemCode::state_unwritable, printable(error.text()), error.remedy.empty() ? room_remedy : error.remedy);
}

// What the operator has to do something about, where the failure of a step alone would not say so.
std::optional<Finding> problem_of(const Action& action, const Error& error) {
  if (cannot_write(error)) return unwritable(error);
  if (error.code != Errc::permission) return std::nullopt;
  // EPERM is a capability that is missing; EACCES a directory that somebody closed.
  if (may_change_server(action) || error.sys_errno == EPERM) return finding(ProblemCode::privilege_missing, printable(error.text()), error.remedy);
  return unwritable(error);
}

LogLevel level_of(const Event& event) {
  static const std::vector<std::string> loud{"rolled-back", "rotation-failed", "preflight-refused"};
  if (std::find(loud.begin(), loud.end(), event.kind) != loud.end()) return LogLevel::error;
  if (event.kind == "problem-stands") return LogLevel::warning;
  return event.kind == "rotation-proved" ? LogLevel::notice : LogLevel::info;
}

bool same_problem(const ProblemSince& since, const Finding& f) { return since.code == f.code && since.object == f.object; }

// The file that somebody else changed, as far as the finding names it: a name of a fixed set, never a path.
std::string changed_file(const Finding& f) {
  for (const FileRole role : {FileRole::key, FileRole::root, FileRole::crl})
    if ((f.object + " " + f.message).find(file_name(role)) != std::string::npos) return std::string{file_name(role)};
  return std::string{file_name(FileRole::certificate)};
}

// Problems that are new, and those that are gone, with the moment since when each stands.
std::vector<Event> update_problems(ClusterMemory& memory, const std::string& cluster, const std::vector<Finding>& findings, TimePoint now) {
  std::vector<Event> events;
  std::vector<ProblemSince> standing;
  const auto say = [&](std::string_view kind, ProblemCode code, const std::string& object, const std::string& message) {
    events.push_back({0, now, cluster, std::string{kind}, fmt::format("{}: {}", to_string(code), message), {{"code", std::string{to_string(code)}}, {"object", object}}});
  };
  for (const Finding& f : findings) {
    if (std::any_of(standing.begin(), standing.end(), [&](const ProblemSince& s) { return same_problem(s, f); })) continue;
    const auto known = std::find_if(memory.problems.begin(), memory.problems.end(), [&](const ProblemSince& s) { return same_problem(s, f); });
    if (known == memory.problems.end()) say("problem-stands", f.code, f.object, f.message);
    if (known == memory.problems.end() && f.code == ProblemCode::file_changed) ++memory.foreign_changes[changed_file(f)];
    standing.push_back(known == memory.problems.end() ? ProblemSince{f.code, f.object, now} : *known);
  }
  for (const ProblemSince& old : memory.problems)
    if (std::none_of(standing.begin(), standing.end(), [&](const ProblemSince& s) { return s.code == old.code && s.object == old.object; }))
      say("problem-gone", old.code, old.object, "it does not stand any more");
  memory.problems = std::move(standing);
  return events;
}

struct StageEvent {
  std::string_view kind, stage;
  bool last;
};
constexpr std::array stage_events{StageEvent{"request-made", "keygen", false},         StageEvent{"certificate-issued", "sign", false},
                                  StageEvent{"generation-staged", "stage", false},     StageEvent{"generation-published", "install", false},
                                  StageEvent{"reload-asked", "reload", false},         StageEvent{"rotation-proved", "verify", true},
                                  StageEvent{"rolled-back", "rolled-back", true},      StageEvent{"rotation-failed", "failed", true}};

// A generation that only brings a new CRL is no rotation: its events come when none is on its way.
void note_stages(std::vector<StagePassed>& passed, const std::vector<Event>& events) {
  constexpr std::size_t most = 16;
  const auto row_of = [](auto member, std::string_view word) { return std::ranges::find(stage_events, word, member); };
  for (const Event& event : events) {
    const auto row = row_of(&StageEvent::kind, event.kind);
    if (row == stage_events.end()) continue;
    if (row == stage_events.begin()) passed.clear();
    const bool over = passed.empty() || row_of(&StageEvent::stage, passed.back().stage)->last;
    if (row != stage_events.begin() && (over || passed.size() >= most)) continue;
    passed.push_back({std::string{row->stage}, event.at});
  }
}

// What is kept for later does no harm where nothing is done now.
bool may_wait_for_its_server(Command::Kind kind) { return kind == Command::Kind::pause || kind == Command::Kind::resume; }

// Volatile facts alone are no reason to write to the disk at each pass.
bool worth_remembering(const std::optional<PostgresSeen>& old, PostgresSeen fresh) {
  if (!old) return true;
  fresh.config_loaded = old->config_loaded;
  return !(*old == fresh);
}

}  // namespace

void Reconciler::load(const Desired& desired) {
  if (loaded_) return;
  auto memory = ports_.store.load(desired.cluster.name);
  loaded_ = memory.has_value();
  load_error_ = memory ? std::nullopt : std::optional{memory.error()};
  if (memory) memory_ = std::move(*memory);
}

Desired Reconciler::with_fixed_names(const Desired& desired) const {
  Desired out = desired;
  if (out.cluster.names == Names{} && !(memory_.names_at_first_issue == Names{})) out.names = memory_.names_at_first_issue;
  return out;
}

std::vector<Finding> Reconciler::own_findings() const {
  std::vector<Finding> out;
  for (const auto& error : {load_error_, write_error_})
    if (error) out.push_back(unwritable(*error));
  if (step_problem_) out.push_back(*step_problem_);
  return out;
}

void Reconciler::say(const std::vector<Event>& events) {
  for (const Event& event : events) {
    LogRecord record{level_of(event), fmt::format("{}: {}", event.cluster, event.message), event.kind, {{"PGCERTD_CLUSTER", event.cluster}}};
    for (const auto& [key, value] : event.fields) {
      std::string name = "PGCERTD_";
      for (const char c : key) name += static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
      record.fields.emplace_back(std::move(name), value);
    }
    log_.write(record);
  }
}

void Reconciler::keep(const Desired& desired, const ClusterMemory& before, std::vector<Event> events, TimePoint now) {
  say(events);
  if (before == memory_ && events.empty() && !write_error_) return;
  memory_.saved_at = now;
  unsaved_.insert(unsaved_.end(), std::make_move_iterator(events.begin()), std::make_move_iterator(events.end()));
  auto saved = ports_.store.save(desired.cluster.name, memory_, unsaved_);
  write_error_ = saved ? std::nullopt : std::optional{saved.error()};
  if (saved) return unsaved_.clear();
  ++state_write_failures_;
  if (unsaved_.size() > unsaved_kept) unsaved_.erase(unsaved_.begin(), unsaved_.end() - unsaved_kept);
}

std::vector<Event> Reconciler::remember(const Desired& desired, const Observation& seen, Plan& plan, TimePoint now) {
  if (memory_.takeover && !seen.live.ours && !seen.live.chain.empty() && !consented(seen)) memory_.takeover.reset();   // it was given for another one
  held_by_ = seen.held_by;
  if (seen.held_by.empty() && seen.server.reachable() && worth_remembering(memory_.server, seen.server)) {
    memory_.server = seen.server;
    memory_.server->fault_text.clear();
  }
  if (seen.detail && seen.detail->hba && !written_since_load(seen.server, *seen.detail)) memory_.hba_in_force = digest_of(*seen.detail->hba);
  if (settings_stand(desired, seen, now)) memory_.settings_changed_at.reset(), memory_.settings_tries = 0;
  for (Finding& f : own_findings()) {
    const bool told = std::any_of(plan.findings.begin(), plan.findings.end(), [&](const Finding& other) { return other.code == f.code; });
    if (!told) plan.findings.push_back(std::move(f));
  }
  return update_problems(memory_, desired.cluster.name, plan.findings, now);
}

void Reconciler::note_result(const Desired& desired, const Action& action, const Result<void>& result, TimePoint now, TickResult& out) {
  if (result) {
    errors_in_a_row_ = 0;
    step_problem_.reset();
    failed_step_.reset();
    return;
  }
  step_problem_ = problem_of(action, result.error());
  if (step_problem_ && step_problem_->code == ProblemCode::state_unwritable) ++state_write_failures_;
  log_.write({LogLevel::error, fmt::format("{}: {}", desired.cluster.name, printable(result.error().text())), "action-failed", {{"PGCERTD_CLUSTER", desired.cluster.name}}});
  // Whatever the plan says next, a step that failed is not tried again at once: never a hot loop.
  ++errors_in_a_row_;
  out.failed = true;
  out.at_rest = errors_in_a_row_ >= 3;
  try_again_at_ = now + (errors_in_a_row_ < 3 ? Duration{250ms} : backoff(errors_in_a_row_ - 2, desired.check_interval));
  failed_step_ = action.index();
  out.wake_at = std::min(try_again_at_, now + desired.check_interval);
}

// Looking goes on at each pass; only the step that failed waits, so that one of another kind (the way back) is never late.
bool Reconciler::held_back(const Plan& plan, const Desired& desired, TimePoint now) const {
  if (!plan.action || failed_step_ != plan.action->index()) return false;
  return now < try_again_at_ && try_again_at_ - now <= backoff(errors_in_a_row_, desired.check_interval);   // else the clock was set back
}

std::vector<Event> Reconciler::act(Plan& plan, const Desired& desired, const Observation& seen, TimePoint now, TickResult& out) {
  if (++acts_in_a_row_ > acts_before_rest) {
    plan.reasons.emplace_back("too many steps without coming to rest; the next follows at the next pass");
    out.wake_at = now + desired.check_interval;
    out.at_rest = true;
    acts_in_a_row_ = 0;
    return {};
  }
  out.acted = true;
  out.at_rest = false;
  out.wake_at = now;
  Outcome outcome = executor_.run(*plan.action, desired, seen, memory_, now);
  if (may_change_server(*plan.action)) observer_.invalidate_server();
  note_result(desired, *plan.action, outcome.result, now, out);
  note_stages(memory_.stages_passed, outcome.events);
  return std::move(outcome.events);
}

TickResult Reconciler::tick(const Desired& configured, TimePoint now, bool full) {
  load(configured);
  const Desired desired = with_fixed_names(configured);
  if (full) observer_.invalidate_server(), observer_.invalidate_detail();
  if (!memory_.paused(now)) memory_.pause.reset();
  const ClusterMemory before = memory_;
  Observation seen = observer_.observe(desired, memory_, now);
  if (ports_.stopping && ports_.stopping()) return {.view = {}, .broken_off = true, .wake_at = now + desired.check_interval};
  note_exposed_keys(memory_, seen, now);
  seen.memory.exposed_keys = memory_.exposed_keys;
  Plan plan = pgcertd::plan(desired, seen, now);
  if (!loaded_) plan.action.reset(), plan.reasons.emplace_back("the state could not be read");   // without its memory nothing may be changed
  const bool held = held_back(plan, desired, now);
  if (held) plan.action.reset(), plan.reasons.emplace_back("the last try failed; the next is at " + to_rfc3339(try_again_at_));
  std::vector<Event> events = remember(desired, seen, plan, now);

  TickResult out;
  out.wake_at = plan.wake_at;
  out.at_rest = false;
  if (plan.action) {
    std::vector<Event> more = act(plan, desired, seen, now, out);
    events.insert(events.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  } else if (plan.at_rest || held || !loaded_) {
    out.at_rest = !held || errors_in_a_row_ >= 3;
    out.wake_at = held ? std::min(try_again_at_, now + desired.check_interval) : loaded_ ? plan.wake_at : now + desired.check_interval;
    acts_in_a_row_ = 0;
    if (!held && !memory_.last_failure) step_problem_.reset();
  } else {   // waiting for the server to show something
    memory_.settings_changed_at ? observer_.invalidate_server() : observer_.invalidate_probes();
  }
  keep(desired, before, std::move(events), now);
  if (out.at_rest) rest();
  seen.memory = memory_;
  out.view = make_view(desired, seen, plan, now);
  return out;
}

void Reconciler::rest() {
  ports_.postgres.rest();
  ports_.probe.rest();
}

Plan Reconciler::preview(const Desired& configured, TimePoint now, bool asked) {
  load(configured);
  const Desired desired = with_fixed_names(configured);
  observer_.invalidate_server();
  observer_.invalidate_detail();
  ClusterMemory memory = memory_;
  if (asked) memory.rotate_asked_at = now, memory.retry_at.reset();
  return pgcertd::plan(desired, observer_.observe(desired, memory, now), now);   // the tick that follows uses the connection
}

Result<void> Reconciler::check_rollback(const Desired& desired, TimePoint now) {
  const Observation seen = observer_.observe(with_fixed_names(desired), memory_, now);
  rest();
  if (pair_to_put_back(seen, now, true) != nullptr && seen.live.ours) return {};
  return fail(Errc::refused, seen.live.ours ? "there is no earlier pair that was proved, is whole and has not expired" : "the server does not use pgcertd's files",
              fmt::format("pgcertctl rotate {} --force makes a new one", desired.cluster.name));
}

Result<TakeoverGrant> Reconciler::consent(const Desired& configured, TimePoint now) {
  const Desired desired = with_fixed_names(configured);
  const Observation seen = observer_.observe(desired, memory_, now);
  rest();
  if (may_be_taken_over(desired, seen)) return TakeoverGrant{pair_in_place(seen.live), now};
  return fail(Errc::refused, seen.server.known ? "no certificate of somebody else is in place that would be replaced" : "PostgreSQL has not been seen yet: what is in place is not known",
              fmt::format("pgcertctl status {} tells what is served", desired.cluster.name));
}

Result<std::string> Reconciler::end_sessions(const std::vector<std::string>& serials) {
  const PostgresSeen server = ports_.postgres.observe(nullptr);
  if (!server.reachable()) return fail(Errc::network, "sessions cannot be ended: " + server.fault_text, "start PostgreSQL");
  PGCERTD_TRY(ServerDetail detail, ports_.postgres.detail(std::nullopt));
  std::erase_if(detail.cert_sessions, [&](const CertSession& session) { return std::find(serials.begin(), serials.end(), session.serial) == serials.end(); });
  PGCERTD_TRY(const std::uint64_t ended, ports_.postgres.terminate(detail.cert_sessions));
  rest();
  observer_.invalidate_detail();
  return fmt::format("{} session(s) of it were ended", ended);
}

Result<std::string> Reconciler::command(const Desired& desired, const Command& command, TimePoint now) {
  load(desired);
  if (load_error_) return fail(*load_error_);
  if (!held_by_.empty() && !may_wait_for_its_server(command.kind))
    return fail(Errc::refused, fmt::format("the server is that of cluster {}: nothing is done for {}", held_by_, desired.cluster.name), fmt::format("correct conninfo of {}, or remove it from the configuration", desired.cluster.name));
  acts_in_a_row_ = 0;
  const ClusterMemory before = memory_;
  std::string kind, message;
  switch (command.kind) {
    case Command::Kind::rotate:
      if (memory_.paused(now))
        return fail(Errc::refused, "rotation is paused: " + printable(memory_.pause->reason), fmt::format("pgcertctl resume {}", desired.cluster.name));
      if (command.force) memory_.rotate_asked_at = now;
      memory_.retry_at.reset();
      failed_step_.reset();
      kind = "rotation-asked", message = command.force ? "a new certificate was asked for" : "a pass was asked for";
      break;
    case Command::Kind::rollback:
      PGCERTD_CHECK(check_rollback(desired, now));
      memory_.rollback_asked_at = now;
      failed_step_.reset();
      kind = "rollback-asked", message = "the pair that was proved before is put back; rotation is paused then";
      break;
    case Command::Kind::pause:
      memory_.pause = Pause{now + command.pause_for, command.reason};
      kind = "paused", message = fmt::format("rotation is paused until {}: {}", to_rfc3339(now + command.pause_for), printable(command.reason));
      break;
    case Command::Kind::resume:
      memory_.pause.reset();
      kind = "resumed", message = "rotation is resumed";
      break;
    case Command::Kind::terminate: {
      PGCERTD_TRY(message, end_sessions(command.serials));
      kind = "sessions-ended";
      break;
    }
    case Command::Kind::takeover: {
      PGCERTD_TRY(memory_.takeover, consent(desired, now));
      kind = "takeover-granted", message = "the certificate in place may be replaced";
      break;
    }
  }
  keep(desired, before, {Event{0, now, desired.cluster.name, kind, message, {{"uid", std::to_string(command.uid)}}}}, now);
  if (write_error_) {
    memory_ = before;
    unsaved_.pop_back();   // it was refused, so it never happened
    return fail(*write_error_);
  }
  return message;
}

}  // namespace pgcertd::engine
