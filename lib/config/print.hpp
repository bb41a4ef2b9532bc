// A Config written as TOML, whole and with all defaults: parse_config() reads it back as the same.
#pragma once

#include <string>

#include "core/config.hpp"

namespace pgcertd {

std::string to_toml(const Config& config);

}  // namespace pgcertd
