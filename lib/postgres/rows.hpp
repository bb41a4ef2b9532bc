// Values out of result sets, which are text. For this room only.
#pragma once

#include <charconv>
#include <string>
#include <string_view>

#include "postgres/session.hpp"

namespace pgcertd::postgres {

// What is no number becomes 0.
template <class Number>
Number number(const std::string& text) {
  Number out{};
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

inline bool yes(const Rows& rows, std::size_t row, std::string_view column) { return rows.text(row, column) == "t"; }

}  // namespace pgcertd::postgres
