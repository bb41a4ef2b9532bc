#include "cli/moments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace pgcertd::cli {
namespace {

constexpr std::string_view shape = "0000-00-00T00:00:00Z";

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool has_shape(std::string_view word) {
  return word.size() == shape.size() && std::equal(word.begin(), word.end(), shape.begin(), [](char c, char of) { return of == '0' ? is_digit(c) : c == of; });
}

// Part of a longer word is a name that somebody gave, not a time.
bool stands_alone(std::string_view text, std::size_t at) {
  const std::size_t end = at + shape.size();
  const auto in_word = [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' || c == '/'; };
  return (at == 0 || !in_word(text[at - 1])) && (end == text.size() || !in_word(text[end]));
}

std::optional<TimePoint> time_in(std::string_view text, std::size_t at) {
  const std::string_view word = text.substr(at, shape.size());
  if (!has_shape(word) || !stands_alone(text, at)) return std::nullopt;
  const auto time = parse_rfc3339(word);
  return time ? std::optional{*time} : std::nullopt;
}

std::string_view after(std::string_view text, std::size_t at) { return text.substr(at + shape.size()); }

}  // namespace

std::string with_relative_times(std::string_view text, TimePoint now) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto time = time_in(text, at);
    if (!time) {
      out += text[at++];
      continue;
    }
    out += text.substr(at, shape.size());
    if (!after(text, at).starts_with(" (")) out += fmt::format(" ({})", *time >= no_expiry ? "never" : relative_text(*time, now));
    at += shape.size();
  }
  return out;
}

}  // namespace pgcertd::cli
