// A look at TOML before it is parsed: the parser and its trees recurse once for each level, so that the depth has to be
// bounded before. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pgcertd::config {

struct TooDeep {
  unsigned line = 1;
  unsigned column = 1;
  std::string why;
};
// Brackets open at once, and dots outside quotes in one line: no key of ours needs more than three of either.
std::optional<TooDeep> too_deep(std::string_view toml);

}  // namespace pgcertd::config
