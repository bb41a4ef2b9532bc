// Text measured in columns of a terminal and broken to fit. Takes text that printable() has made safe. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pgcertd::cli {

inline constexpr std::size_t page_width = 80;

// Columns that valid UTF-8 takes: East Asian wide characters and emoji two, combining marks none.
std::size_t display_width(std::string_view text) noexcept;
// Lines of at most `width` columns: broken at spaces, or inside a word that is too long by itself. Never empty.
std::vector<std::string> wrap(std::string_view text, std::size_t width);
// Wrapped, each line behind `indent` spaces and ended by '\n'.
std::string paragraph(std::string_view text, std::size_t indent, std::size_t width = page_width);

}  // namespace pgcertd::cli
