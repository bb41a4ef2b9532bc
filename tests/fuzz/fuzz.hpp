// What the fuzz targets share: an invariant that does not hold ends the process, which libFuzzer reports with the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.hpp"

namespace pgcertd::fuzz {

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// Nothing in it can steer a terminal or forge a line of a log.
inline void require_printable(std::string_view shown) { require(printable(shown, shown.size()) == shown); }

// Takes what stands before the first `separator` off `rest`; all of it where there is none.
inline std::string_view take_until(std::string_view& rest, char separator) {
  const auto end = rest.find(separator);
  const auto taken = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return taken;
}

}  // namespace pgcertd::fuzz
