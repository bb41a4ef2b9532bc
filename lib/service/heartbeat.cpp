#include "service/heartbeat.hpp"

namespace pgcertd::service {

std::vector<std::string> stale(const Pulses& pulses, SteadyTime now, Duration limit) {
  std::vector<std::string> names;
  for (const auto& [name, beaten] : pulses) {
    if (beaten && now - *beaten > limit) names.push_back(name);
  }
  return names;
}

void Heartbeats::beat(const std::string& worker, SteadyTime now) {
  const std::lock_guard lock{mutex_};
  pulses_[worker] = now;
}

void Heartbeats::idle(const std::string& worker) {
  const std::lock_guard lock{mutex_};
  pulses_[worker] = std::nullopt;
}

void Heartbeats::forget(const std::string& worker) {
  const std::lock_guard lock{mutex_};
  pulses_.erase(worker);
}

Pulses Heartbeats::pulses() const {
  const std::lock_guard lock{mutex_};
  return pulses_;
}

std::vector<std::string> ping_while_alive(const Heartbeats& heartbeats, Notifier& notifier, SteadyTime now, Duration limit) {
  auto names = heartbeats.stale(now, limit);
  if (names.empty()) notifier.watchdog();
  return names;
}

}  // namespace pgcertd::service
