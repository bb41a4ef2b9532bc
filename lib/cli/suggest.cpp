#include "cli/suggest.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd::cli {

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
  if (word.empty() || word.size() > 64 || known.empty()) return std::nullopt;
  const auto best = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
    return edit_distance(word, a) < edit_distance(word, b);
  });
  // Two slips are a typing error; in a short word they make another word.
  const std::size_t allowed = word.size() <= 3 ? 1 : 2;
  if (edit_distance(word, *best) > allowed) return std::nullopt;
  return *best;
}

}  // namespace pgcertd::cli
