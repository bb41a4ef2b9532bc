#include "core/walk.hpp"

#include "core/audit.hpp"

namespace pgcertd {
namespace {

// In the last tenth of its life.
bool ends_soon(const GenerationSeen* current, TimePoint now) {
  if (current == nullptr || current->chain.empty()) return false;
  const CertFacts& leaf = current->chain.front();
  return leaf.not_after - now < (leaf.not_after - leaf.not_before) / 10;
}

}  // namespace

bool Walk::paused() const { return seen.memory.paused(now); }

// A clock that was set back must not turn a back-off of minutes into one of years.
bool Walk::backing_off() const {
  const auto& at = seen.memory.retry_at;
  return at && *at > now && *at - now <= backoff(32, desired.check_interval);
}

bool Walk::current_proved() const { return current != nullptr && seen.memory.is_proved(current->id); }

bool Walk::current_refused() const { return current != nullptr && seen.memory.is_refused(current->id); }

bool Walk::may_reload() const {
  return seen.server.privileges.reload || desired.cluster.reload.kind == ReloadMethod::Kind::systemd || desired.own_uid == seen.server.server_uid;
}

bool Walk::guarded() const {
  if (desired.cluster.reload_guard != ReloadGuard::wait || !seen.detail || !seen.server.reachable() || ends_soon(current, now)) return false;
  return !pending_changes(seen.memory, seen.server, *seen.detail).empty();
}

bool Walk::in_place() const { return desired.cluster.layout == Layout::in_place && seen.in_place && seen.in_place->refused.empty(); }

const PublishAttempt* Walk::attempt() const {
  const auto& publish = seen.memory.publish;
  return publish && current != nullptr && publish->generation == current->id ? &*publish : nullptr;
}

}  // namespace pgcertd
