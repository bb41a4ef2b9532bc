// Keys that are read and checked but not acted on by this version: whoever sets one is told, instead of trusting it. Pure.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.hpp"

namespace pgcertd {

// As known_keys() writes them: "cluster.NAME.layout".
std::span<const std::string_view> idle_keys() noexcept;
// Those that `config` sets to something else than their default: "cluster.main.layout".
std::vector<std::string> idle_keys_in(const Config& config);

}  // namespace pgcertd
