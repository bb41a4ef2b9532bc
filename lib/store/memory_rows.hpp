// A ClusterMemory as rows of key and value and back: one description of its fields serves both ways. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/memory.hpp"

namespace pgcertd::store {

struct MemoryRows {
  std::map<std::string, std::string> rows;      // "proved.0.generation" → "20260101T000000Z-3f9a"
  std::set<std::string> roots;                  // "proved": every field that this version knows, present or not
};

MemoryRows to_rows(ClusterMemory memory);
// A missing row leaves the field as a new memory has it, an unknown one is passed over, a malformed one is Errc::parse.
Result<ClusterMemory> from_rows(const std::map<std::string, std::string>& rows);
// "proved" of "proved.0.generation", "proved#" and "proved?".
std::string_view root_of(std::string_view key) noexcept;

}  // namespace pgcertd::store
