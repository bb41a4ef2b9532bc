#include "cli/table.hpp"

#include <algorithm>
#include <numeric>

#include "base/text.hpp"

namespace pgcertd::cli {
namespace {

constexpr std::size_t gap = 2;
constexpr std::size_t least_width = 4;

std::string render_row(const std::vector<Cell>& row, const std::vector<std::size_t>& widths, std::size_t indent,
                       const Style& style) {
  std::vector<std::vector<std::string>> wrapped;
  std::size_t height = 1;
  for (std::size_t i = 0; i < row.size(); ++i) {
    wrapped.push_back(wrap(row[i].text, widths[i]));
    height = std::max(height, wrapped.back().size());
  }
  std::string out;
  for (std::size_t line = 0; line < height; ++line) {
    std::string text(indent, ' ');
    std::size_t pending = 0;  // spaces before the next word, so that no line ends in spaces
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string piece = line < wrapped[i].size() ? wrapped[i][line] : std::string{};
      if (!piece.empty()) text += std::string(std::exchange(pending, 0), ' ') + style.paint(row[i].tone, piece);
      pending += widths[i] - std::min(widths[i], display_width(piece)) + gap;
    }
    out += text + "\n";
  }
  return out;
}

}  // namespace

void Table::add(std::vector<Cell> row) {
  for (Cell& cell : row) cell.text = printable(cell.text);
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> Table::column_widths(std::size_t width) const {
  std::vector<std::size_t> widths;
  const auto widen = [&](std::size_t column, std::string_view text) {
    if (widths.size() <= column) widths.resize(column + 1, 0);
    widths[column] = std::max(widths[column], display_width(text));
  };
  for (std::size_t i = 0; i < header_.size(); ++i) widen(i, header_[i]);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widen(i, row[i].text);
  if (widths.empty()) return widths;
  const std::size_t fixed = indent_ + gap * (widths.size() - 1);
  while (std::accumulate(widths.begin(), widths.end(), fixed) > width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= least_width) break;
    --*widest;
  }
  return widths;
}

std::string Table::render(const Style& style, std::size_t width) const {
  const std::vector<std::size_t> widths = column_widths(width);
  std::string out;
  if (!header_.empty()) {
    std::vector<Cell> header;
    for (const std::string& name : header_) header.emplace_back(name, Tone::strong);
    out += render_row(header, widths, indent_, style);
  }
  for (const auto& row : rows_) out += render_row(row, widths, indent_, style);
  return out;
}

}  // namespace pgcertd::cli
