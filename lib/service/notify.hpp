// Notifier: what the service manager is told. A fake records it in tests.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.hpp"

namespace pgcertd::service {

// Thread-safe in each implementation; never fails: a manager that does not listen is no problem of the daemon.
class Notifier {
 public:
  virtual ~Notifier() = default;
  virtual void ready(std::string_view text) noexcept = 0;      // also ends reloading()
  virtual void status(std::string_view text) noexcept = 0;
  virtual void reloading() noexcept = 0;
  virtual void stopping() noexcept = 0;
  virtual void watchdog() noexcept = 0;
};

// sd_notify(3). Without $NOTIFY_SOCKET it does nothing.
class SystemdNotifier final : public Notifier {
 public:
  void ready(std::string_view text) noexcept override;
  void status(std::string_view text) noexcept override;
  void reloading() noexcept override;
  void stopping() noexcept override;
  void watchdog() noexcept override;
};

// $WATCHDOG_USEC, when it is meant for this process. Ping at half of it.
std::optional<Duration> watchdog_interval();

}  // namespace pgcertd::service
