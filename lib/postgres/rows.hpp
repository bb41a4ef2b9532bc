// Values out of text: of result sets, and of files that PostgreSQL writes. For this room only.
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

// All of it but spaces at its end; false for anything else.
template <class Number>
bool whole_number(std::string_view text, Number& into) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), into);
  return failed == std::errc{} && end == text.data() + text.size();
}

inline bool yes(const Rows& rows, std::size_t row, std::string_view column) { return rows.text(row, column) == "t"; }

}  // namespace pgcertd::postgres
