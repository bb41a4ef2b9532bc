// Reload and restart of a systemd unit over the system bus. Each call opens a connection of its own: any thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::service {

// Return when systemd's job has ended, or at the deadline. That a unit has reloaded proves nothing about its certificate.
Result<void> reload_unit(const std::string& unit, Duration deadline);
Result<void> restart_unit(const std::string& unit, Duration deadline);

}  // namespace pgcertd::service
