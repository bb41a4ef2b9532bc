// Fields read from the daemon's JSON by path, never throwing: what is missing, null or of another type reads as empty.
// Private to this room.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace pgcertd::cli {

// The value at `object[key]`, or null.
const nlohmann::json& at(const nlohmann::json& object, std::string_view key);
const nlohmann::json& at(const nlohmann::json& object, std::initializer_list<std::string_view> path);
// The array there, or an empty one.
const nlohmann::json& array_at(const nlohmann::json& object, std::string_view key);

// A string as it stands (hostile until it goes through printable()); a number in decimal; anything else is empty.
std::string text_of(const nlohmann::json& value);
std::string text_at(const nlohmann::json& object, std::string_view key);
std::string text_at(const nlohmann::json& object, std::initializer_list<std::string_view> path);
std::int64_t number_at(const nlohmann::json& object, std::string_view key, std::int64_t otherwise = 0);
bool flag_at(const nlohmann::json& object, std::string_view key, bool otherwise = false);
std::optional<TimePoint> time_at(const nlohmann::json& object, std::string_view key);

// The record of a cluster, bare or as /v1/clusters/NAME wraps it: {"cluster": {…}}.
const nlohmann::json& cluster_of(const nlohmann::json& reply);

// The earliest end that a client would meet: of what is served, else of what is in the file.
std::optional<TimePoint> served_end(const nlohmann::json& cluster);

// "2026-01-01T00:00:00Z (in 3 days)", "never" for no_expiry, "-" for none.
std::string moment_text(const std::optional<TimePoint>& at, TimePoint now);
std::string moment_at(const nlohmann::json& object, std::string_view key, TimePoint now);

}  // namespace pgcertd::cli
