#include "cli/json_fields.hpp"

#include <fmt/format.h>

namespace pgcertd::cli {
namespace {

// Immutable for the whole run of the program.
const nlohmann::json null_value;
const nlohmann::json empty_array = nlohmann::json::array();

}  // namespace

const nlohmann::json& at(const nlohmann::json& object, std::string_view key) {
  if (!object.is_object()) return null_value;
  const auto found = object.find(std::string(key));
  return found == object.end() ? null_value : *found;
}

const nlohmann::json& at(const nlohmann::json& object, std::initializer_list<std::string_view> path) {
  const nlohmann::json* here = &object;
  for (const std::string_view key : path) here = &at(*here, key);
  return *here;
}

const nlohmann::json& array_at(const nlohmann::json& object, std::string_view key) {
  const nlohmann::json& value = at(object, key);
  return value.is_array() ? value : empty_array;
}

std::string text_of(const nlohmann::json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_unsigned()) return std::to_string(value.get<std::uint64_t>());
  if (value.is_number_integer()) return std::to_string(value.get<std::int64_t>());
  return {};
}

std::string text_at(const nlohmann::json& object, std::string_view key) { return text_of(at(object, key)); }
std::string text_at(const nlohmann::json& object, std::initializer_list<std::string_view> path) {
  return text_of(at(object, path));
}

std::int64_t number_at(const nlohmann::json& object, std::string_view key, std::int64_t otherwise) {
  const nlohmann::json& value = at(object, key);
  return value.is_number_integer() ? value.get<std::int64_t>() : otherwise;
}

bool flag_at(const nlohmann::json& object, std::string_view key, bool otherwise) {
  const nlohmann::json& value = at(object, key);
  return value.is_boolean() ? value.get<bool>() : otherwise;
}

std::optional<TimePoint> time_at(const nlohmann::json& object, std::string_view key) {
  const Result<TimePoint> parsed = parse_rfc3339(text_at(object, key));
  if (!parsed) return std::nullopt;
  return *parsed;
}

const nlohmann::json& cluster_of(const nlohmann::json& reply) {
  const nlohmann::json& inner = at(reply, "cluster");
  return inner.is_object() ? inner : reply;
}

std::optional<TimePoint> served_end(const nlohmann::json& cluster) {
  std::optional<TimePoint> earliest;
  for (const nlohmann::json& served : array_at(cluster, "served"))
    if (const auto end = time_at(served, "not_after"); end && (!earliest || *end < *earliest)) earliest = end;
  return earliest ? earliest : time_at(at(cluster, "certificate"), "not_after");
}

std::string moment_text(const std::optional<TimePoint>& at, TimePoint now) {
  if (!at) return "-";
  if (*at >= no_expiry) return "never";
  return fmt::format("{} ({})", to_rfc3339(*at), relative_text(*at, now));
}

std::string moment_at(const nlohmann::json& object, std::string_view key, TimePoint now) {
  return moment_text(time_at(object, key), now);
}

}  // namespace pgcertd::cli
