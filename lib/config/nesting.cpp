#include "config/nesting.hpp"

namespace pgcertd::config {
namespace {

constexpr unsigned most_brackets = 16;
constexpr unsigned most_dots = 32;

// Walks over comments and strings, so that what is left are keys, numbers and brackets.
class Scanner {
 public:
  explicit Scanner(std::string_view toml) : toml_(toml) {}

  std::optional<TooDeep> run() {
    while (at_ < toml_.size()) {
      const char c = toml_[at_];
      if (c == '#') skip_comment();
      else if (c == '"' || c == '\'') skip_string(c);
      else if (const char* why = count(c))
        return TooDeep{.line = line_, .column = static_cast<unsigned>(at_ - line_start_ + 1), .why = why};
      else step();
    }
    return std::nullopt;
  }

 private:
  void step() {
    if (toml_[at_] == '\n') {
      ++line_;
      line_start_ = at_ + 1;
      dots_ = 0;
    }
    ++at_;
  }

  void skip_comment() {
    while (at_ < toml_.size() && toml_[at_] != '\n') step();
  }

  // A string of one line ends with its line at the latest: the parser refuses it there.
  void skip_string(char quote) {
    const std::string triple(3, quote);
    const bool many = toml_.substr(at_).starts_with(triple);
    for (std::size_t i = 0, opening = many ? 3 : 1; i < opening; ++i) step();
    while (at_ < toml_.size()) {
      if (many ? toml_.substr(at_).starts_with(triple) : toml_[at_] == quote || toml_[at_] == '\n') break;
      if (toml_[at_] == '\\' && quote == '"' && at_ + 1 < toml_.size() && toml_[at_ + 1] != '\n') step();
      step();
    }
    // Up to two quotes may stand before the three that close.
    for (std::size_t i = 0; i < (many ? 5 : 1) && at_ < toml_.size() && toml_[at_] == quote; ++i) step();
  }

  const char* count(char c) {
    if (c == '.' && ++dots_ > most_dots) return "more dots in one line than any key or number needs";
    if ((c == '[' || c == '{') && ++brackets_ > most_brackets) return "brackets nested deeper than any value needs";
    if ((c == ']' || c == '}') && brackets_ > 0) --brackets_;
    return nullptr;
  }

  std::string_view toml_;
  std::size_t at_ = 0, line_start_ = 0;
  unsigned line_ = 1, dots_ = 0, brackets_ = 0;
};

}  // namespace

std::optional<TooDeep> too_deep(std::string_view toml) { return Scanner(toml).run(); }

}  // namespace pgcertd::config
