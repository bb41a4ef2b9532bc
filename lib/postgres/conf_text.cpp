#include "postgres/conf_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.hpp"
#include "postgres/privileges.hpp"

namespace pgcertd::postgres {
namespace {

constexpr std::string_view heading = "# Written by pgcertd for ";

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }
bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$'; }

void skip_space(std::string_view& text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
}

// guc-file.l: '' is a quote; a backslash takes the next character as it is but for b, f, n, r, t and octal digits.
char unescape(std::string_view& text) {
  const char c = text.front();
  text.remove_prefix(1);
  if (c < '0' || c > '7') {
    constexpr std::string_view from = "bfnrt", to = "\b\f\n\r\t";
    const auto at = from.find(c);
    return at == std::string_view::npos ? c : to[at];
  }
  int value = c - '0';
  for (int digits = 1; digits < 3 && !text.empty() && text.front() >= '0' && text.front() <= '7'; ++digits) {
    value = value * 8 + (text.front() - '0');
    text.remove_prefix(1);
  }
  return static_cast<char>(value);
}

std::optional<std::string> quoted(std::string_view& text) {
  std::string out;
  text.remove_prefix(1);
  while (!text.empty()) {
    const char c = text.front();
    text.remove_prefix(1);
    if (c == '\\' && !text.empty()) out += unescape(text);
    else if (c != '\'') out += c;
    else if (!text.starts_with('\'')) return out;
    else {
      out += '\'';
      text.remove_prefix(1);
    }
  }
  return std::nullopt;   // no closing quote
}

std::optional<std::string> bare(std::string_view& text) {
  const auto end = static_cast<std::size_t>(std::ranges::find_if(text, [](char c) { return is_space(c) || c == '#' || c == '\''; }) - text.begin());
  if (end == 0) return std::nullopt;
  std::string out(text.substr(0, end));
  text.remove_prefix(end);
  return out;
}

std::optional<ConfLine> parse_line(std::string_view text) {
  skip_space(text);
  const auto end = static_cast<std::size_t>(std::ranges::find_if_not(text, is_name) - text.begin());
  if (end == 0) return std::nullopt;
  ConfLine out{.name = std::string(text.substr(0, end)), .value = {}};
  std::ranges::transform(out.name, out.name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  text.remove_prefix(end);
  skip_space(text);
  if (text.starts_with('=')) {
    text.remove_prefix(1);
    skip_space(text);
  }
  auto value = text.starts_with('\'') ? quoted(text) : bare(text);
  if (!value) return std::nullopt;
  out.value = std::move(*value);
  skip_space(text);
  if (!text.empty() && !text.starts_with('#')) return std::nullopt;
  return out;
}

}  // namespace

std::vector<ConfLine> parse_conf(std::string_view text) {
  std::vector<ConfLine> out;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    if (auto line = parse_line(text.substr(0, end))) out.push_back(std::move(*line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

Result<std::string> quote_conf(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return fail(Errc::invalid, fmt::format("\"{}\" cannot stand in a configuration file: control character", printable(value)));
    if (c == '\'' || c == '\\') out += c;
    out += c;
  }
  return out + "'";
}

std::optional<std::string> winning_include_dir(const std::vector<ConfLine>& lines, const std::vector<std::string>& names) {
  const auto is_include = [](const ConfLine& line) { return line.name.starts_with("include"); };
  const auto last = std::ranges::find_if(lines.rbegin(), lines.rend(), is_include);
  if (last == lines.rend() || last->name != "include_dir") return std::nullopt;
  const bool overridden = std::any_of(lines.rbegin(), last, [&](const ConfLine& line) { return std::ranges::find(names, line.name) != names.end(); });
  return overridden ? std::nullopt : std::optional(last->value);
}

std::map<std::string, std::string> parse_own_file(std::string_view text) {
  std::map<std::string, std::string> out;
  for (auto& line : parse_conf(text))
    if (is_managed(line.name)) out[line.name] = std::move(line.value);
  return out;
}

Result<std::string> own_file_text(const std::map<std::string, std::string>& values, std::string_view cluster_directory) {
  std::string out = fmt::format("{}{}\n# Do not edit: changes are overwritten.\n", heading, printable(cluster_directory));
  for (const auto& [name, value] : values) {
    PGCERTD_TRY(const auto text, quote_conf(value));
    out += fmt::format("{} = {}\n", name, text);
  }
  return out;
}

std::string own_file_cluster(std::string_view text) {
  if (!text.starts_with(heading)) return {};
  text.remove_prefix(heading.size());
  return std::string(text.substr(0, text.find('\n')));
}

}  // namespace pgcertd::postgres
