// The running daemon: loop, workers, listeners.
#pragma once

#include <string>

#include "base/log.hpp"
#include "base/result.hpp"
#include "pgcertd/settings.hpp"

namespace pgcertd::daemon {

// Until SIGTERM or SIGINT; 0 then.
Result<int> run_daemon(const std::string& config_path, ConfigPtr config, LogSink& log);

}  // namespace pgcertd::daemon
