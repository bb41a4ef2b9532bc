// Heartbeats: a pulse of each worker, so that the watchdog is fed only while all of them live. Thread-safe.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "service/notify.hpp"

namespace pgcertd::service {

using SteadyTime = std::chrono::steady_clock::time_point;

// When each worker last showed that it moves; nullopt while it waits for its wake-up, which may last as long as it likes.
using Pulses = std::map<std::string, std::optional<SteadyTime>>;

// Names of the workers that are busy and have not beaten for longer than `limit`.
std::vector<std::string> stale(const Pulses& pulses, SteadyTime now, Duration limit);

class Heartbeats {
 public:
  void beat(const std::string& worker, SteadyTime now);
  void idle(const std::string& worker);
  void forget(const std::string& worker);          // it has ended
  [[nodiscard]] Pulses pulses() const;
  [[nodiscard]] std::vector<std::string> stale(SteadyTime now, Duration limit) const {
    return service::stale(pulses(), now, limit);
  }

 private:
  mutable std::mutex mutex_;
  Pulses pulses_;                                  // guarded by mutex_
};

// Feeds the watchdog unless a worker is stale; returns those that are.
std::vector<std::string> ping_while_alive(const Heartbeats& heartbeats, Notifier& notifier, SteadyTime now, Duration limit);

}  // namespace pgcertd::service
