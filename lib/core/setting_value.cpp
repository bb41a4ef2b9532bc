#include "core/setting_value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

namespace pgcertd {
namespace {

struct Unit {
  std::string_view name;
  double factor;        // bytes, or microseconds
};
constexpr double kilo = 1024;
constexpr std::array memory_units{Unit{"B", 1}, Unit{"kB", kilo}, Unit{"8kB", 8 * kilo}, Unit{"MB", kilo * kilo}, Unit{"16MB", 16 * kilo * kilo}, Unit{"GB", kilo * kilo * kilo},
                                  Unit{"TB", kilo * kilo * kilo * kilo}};
constexpr std::array time_units{Unit{"us", 1}, Unit{"ms", 1e3}, Unit{"s", 1e6}, Unit{"min", 60e6}, Unit{"h", 3600e6}, Unit{"d", 86400e6}};

template <std::size_t N>
std::optional<double> factor_of(const std::array<Unit, N>& units, std::string_view name) {
  for (const Unit& unit : units)
    if (unit.name == name) return unit.factor;
  return std::nullopt;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : static_cast<char>(c); });
  return out;
}

// parse_bool: any prefix that is not ambiguous.
std::optional<bool> parse_boolean(std::string_view text) {
  const std::string word = lower(text);
  if (word.empty()) return std::nullopt;
  const auto prefix_of = [&](std::string_view whole, std::size_t least = 1) { return word.size() >= least && whole.starts_with(word); };
  if (prefix_of("true") || prefix_of("yes") || prefix_of("on", 2) || word == "1") return true;
  if (prefix_of("false") || prefix_of("no") || prefix_of("off", 2) || word == "0") return false;
  return std::nullopt;
}

struct Quantity {
  double number;
  std::string_view unit;
};

std::optional<double> whole_number(std::string_view digits) {
  const bool negative = digits.starts_with('-');
  if (negative) digits.remove_prefix(1);
  int base = 10;
  if (digits.starts_with("0x") || digits.starts_with("0X")) base = 16, digits.remove_prefix(2);
  else if (digits.size() > 1 && digits.front() == '0' && digits.find_first_not_of("01234567") == std::string_view::npos) base = 8;
  long long value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<double>(negative ? -value : value);
}

std::optional<Quantity> quantity(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  const auto last = text.find_last_not_of(" \t");
  if (first == std::string_view::npos) return std::nullopt;
  text = text.substr(first, last - first + 1);
  if (const auto whole = whole_number(text)) return Quantity{*whole, {}};
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  return Quantity{value, unit};
}

// In the unit that pg_settings counts in.
std::optional<double> in_unit(const Quantity& q, std::string_view unit) {
  if (q.unit.empty()) return q.number;
  for (const auto& [own, base] : {std::pair{factor_of(memory_units, q.unit), factor_of(memory_units, unit)}, std::pair{factor_of(time_units, q.unit), factor_of(time_units, unit)}})
    if (own && base) return q.number * *own / *base;
  return std::nullopt;
}

bool same_number(std::string_view unit, bool whole, std::string_view in_file, std::string_view in_force) {
  const auto file = quantity(in_file), force = quantity(in_force);
  const auto a = file ? in_unit(*file, unit) : std::nullopt, b = force ? in_unit(*force, unit) : std::nullopt;
  if (!a || !b) return true;
  if (whole) return std::round(*a) == std::round(*b);
  return std::abs(*a - *b) <= 1e-9 * std::max(std::abs(*a), std::abs(*b));
}

}  // namespace

bool same_value(std::string_view vartype, std::string_view unit, std::string_view in_file, std::string_view in_force) {
  if (in_file == in_force) return true;
  if (vartype == "bool") {
    const auto a = parse_boolean(in_file), b = parse_boolean(in_force);
    return !a || !b || *a == *b;
  }
  if (vartype == "integer" || vartype == "real") return same_number(unit, vartype == "integer", in_file, in_force);
  if (vartype == "enum") {
    if (lower(in_file) == lower(in_force)) return true;
    const auto a = parse_boolean(in_file), b = parse_boolean(in_force);   // several enums take booleans, too
    return a && b && *a == *b;
  }
  // Some are shown in a form of their own, as DateStyle: 'iso, mdy' is ISO, MDY.
  return vartype != "string" || lower(in_file) == lower(in_force);
}

}  // namespace pgcertd
