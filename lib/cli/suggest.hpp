// "Did you mean": the nearest of the known words, when one is near enough. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgcertd::cli {

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace pgcertd::cli
