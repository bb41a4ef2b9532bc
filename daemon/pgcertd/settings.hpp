// Settings: the configuration in force, loaded from its files; replaced whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::daemon {

using ConfigPtr = std::shared_ptr<const Config>;

// All that is wrong stands in the error, a line each.
Result<ConfigPtr> load_settings(const std::string& path);
// A line for each key that is set and has no effect in this version.
std::vector<std::string> warnings_of(const Config& config);
void log_warnings(const Config& config, LogSink& log);

}  // namespace pgcertd::daemon
