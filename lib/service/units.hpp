// Reload and restart of a systemd unit over the system bus. Each call opens a connection of its own: any thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::service {

// Return when systemd's job has ended, at the deadline, or with Errc::cancelled once `stop_fd` is readable (-1: never): systemd ends
// its job without us. That a unit has reloaded proves nothing about its certificate.
Result<void> reload_unit(const std::string& unit, Duration deadline, int stop_fd = -1);
Result<void> restart_unit(const std::string& unit, Duration deadline, int stop_fd = -1);

}  // namespace pgcertd::service
