// Settings: the configuration in force, loaded from its files; replaced whole.
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::daemon {

using ConfigPtr = std::shared_ptr<const Config>;

// All that is wrong stands in the error, a line each.
Result<ConfigPtr> load_settings(const std::string& path);

}  // namespace pgcertd::daemon
