// Table: rows in columns that fit 80 columns whatever stands in them. Every cell goes through printable() and is wrapped.
// One thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/layout.hpp"
#include "cli/style.hpp"

namespace pgcertd::cli {

struct Cell {
  std::string text;
  Tone tone = Tone::plain;
  Cell(std::string_view words, Tone how = Tone::plain) : text(words), tone(how) {}    // NOLINT(google-explicit-constructor)
  Cell(const std::string& words, Tone how = Tone::plain) : text(words), tone(how) {}  // NOLINT(google-explicit-constructor)
  Cell(const char* words, Tone how = Tone::plain) : text(words), tone(how) {}         // NOLINT(google-explicit-constructor)
};

class Table {
 public:
  // An empty header makes none, as for the name-and-value blocks of `status`.
  explicit Table(std::vector<std::string> header = {}, std::size_t indent = 0) : header_(std::move(header)), indent_(indent) {}
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] std::string render(const Style& style, std::size_t width = page_width) const;

 private:
  [[nodiscard]] std::vector<std::size_t> column_widths(std::size_t width) const;
  std::vector<std::string> header_;
  std::size_t indent_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace pgcertd::cli
