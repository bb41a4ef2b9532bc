// Lower-case hexadecimal, as serial numbers and fingerprints are written everywhere in pgcertd.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace pgcertd {

std::string to_hex(std::span<const std::uint8_t> bytes);
// Accepts upper and lower case; an odd length or another character is an error.
Result<std::vector<std::uint8_t>> from_hex(std::string_view text);

}  // namespace pgcertd
