// The keys of one or several TOML files as a plain tree in which each knows where it was written. Values only; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"

namespace pgcertd::config {

struct Place {
  std::string file{};
  unsigned line = 1;
  unsigned column = 1;
};

struct Node {
  enum class Kind : std::uint8_t { table, array, string, integer, real, boolean, date };
  Kind kind = Kind::table;
  Place place{};                  // of its key; of an element of an array: of itself
  std::string text{};
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::map<std::string, Node> members{};
  std::vector<Node> elements{};
};

std::string_view to_string(Node::Kind kind) noexcept;      // "a table"

// Reads one file into `root`, over what stands there. What breaks the grammar becomes an issue, and the file is then left out.
void read_toml(const ConfigFile& file, Node& root, std::vector<ConfigIssue>& issues);

// Where the last of the keys on this way stands that was written at all.
const Place& place_of(const Node& root, std::initializer_list<std::string_view> way);

}  // namespace pgcertd::config
