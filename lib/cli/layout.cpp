#include "cli/layout.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace pgcertd::cli {
namespace {

struct Range {
  char32_t first, last;
};
constexpr std::array<Range, 6> no_columns{
    {{0x300, 0x36F}, {0x483, 0x489}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0xFE00, 0xFE2F}}};
constexpr std::array<Range, 9> two_columns{{{0x1100, 0x115F},
                                            {0x2E80, 0x303E},
                                            {0x3041, 0xA4CF},
                                            {0xAC00, 0xD7A3},
                                            {0xF900, 0xFAFF},
                                            {0xFF00, 0xFF60},
                                            {0xFFE0, 0xFFE6},
                                            {0x1F300, 0x1FAFF},
                                            {0x20000, 0x3FFFD}}};

template <std::size_t N>
bool within_any(const std::array<Range, N>& ranges, char32_t point) noexcept {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return point >= r.first && point <= r.last; });
}

struct Glyph {
  std::size_t bytes, columns;
};

// The first character of `text`, which is not empty. printable() has left valid UTF-8 only; the length is bounded all the same.
Glyph first_glyph(std::string_view text) noexcept {
  const auto lead = static_cast<std::uint8_t>(text[0]);
  const std::size_t wanted = lead < 0xC0 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  const std::size_t bytes = std::min(wanted, text.size());
  char32_t point = wanted == 1 ? lead : lead & (0xFFU >> (wanted + 1));
  for (std::size_t i = 1; i < bytes; ++i) point = (point << 6U) | (static_cast<std::uint8_t>(text[i]) & 0x3FU);
  return {bytes, within_any(no_columns, point) ? std::size_t{0} : within_any(two_columns, point) ? std::size_t{2} : std::size_t{1}};
}

// Bytes of the longest beginning that fits; at least one character, so that a caller always gets on.
std::size_t fitting_bytes(std::string_view text, std::size_t width) noexcept {
  std::size_t bytes = 0;
  std::size_t columns = 0;
  while (bytes < text.size()) {
    const Glyph next = first_glyph(text.substr(bytes));
    if (columns + next.columns > width && bytes > 0) break;
    bytes += next.bytes;
    columns += next.columns;
  }
  return bytes;
}

}  // namespace

std::size_t display_width(std::string_view text) noexcept {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Glyph next = first_glyph(text);
    columns += next.columns;
    text.remove_prefix(next.bytes);
  }
  return columns;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  const auto add = [&](std::string_view line) { lines.emplace_back(line.substr(0, line.find_last_not_of(' ') + 1)); };
  while (display_width(text) > width) {
    const std::size_t fits = fitting_bytes(text, width);
    const std::size_t space = text.substr(0, std::min(fits + 1, text.size())).rfind(' ');
    const bool at_space = space != std::string_view::npos && space > 0;
    add(text.substr(0, at_space ? space : fits));
    text.remove_prefix(at_space ? space + 1 : fits);
  }
  if (!text.empty() || lines.empty()) add(text);
  return lines;
}

std::string paragraph(std::string_view text, std::size_t indent, std::size_t width) {
  std::string out;
  for (const std::string& line : wrap(text, width > indent + 8 ? width - indent : 8)) out += std::string(indent, ' ') + line + "\n";
  return out;
}

}  // namespace pgcertd::cli
