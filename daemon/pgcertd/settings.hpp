// Settings: the configuration in force, loaded from its files; replaced whole.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::daemon {

using ConfigPtr = std::shared_ptr<const Config>;

// All that is wrong stands in the error, a line each.
Result<ConfigPtr> load_settings(const std::string& path);

// Of clusters, issuers or their workers: the keys of `map`.
std::vector<std::string> names_of(const auto& map) {
  std::vector<std::string> out;
  for (const auto& [name, value] : map) out.push_back(name);
  return out;
}

}  // namespace pgcertd::daemon
