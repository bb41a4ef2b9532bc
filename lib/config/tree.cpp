#include "config/tree.hpp"

#include <toml++/toml.h>

#include <utility>

#include "base/text.hpp"
#include "config/nesting.hpp"

namespace pgcertd::config {
namespace {

Place place(const std::string& file, const toml::source_position& at) {
  return {.file = file, .line = static_cast<unsigned>(at.line), .column = static_cast<unsigned>(at.column)};
}

// Recursion is bounded by too_deep().
Node convert(const toml::node& from, const Place& at) {
  Node out;
  out.place = at;
  switch (from.type()) {
    case toml::node_type::table:
      for (const auto& [key, value] : *from.as_table())
        out.members.emplace(std::string(key.str()), convert(value, place(at.file, key.source().begin)));
      break;
    case toml::node_type::array:
      out.kind = Node::Kind::array;
      for (const auto& element : *from.as_array()) out.elements.push_back(convert(element, place(at.file, element.source().begin)));
      break;
    case toml::node_type::string: out.kind = Node::Kind::string; out.text = from.as_string()->get(); break;
    case toml::node_type::integer: out.kind = Node::Kind::integer; out.integer = from.as_integer()->get(); break;
    case toml::node_type::floating_point: out.kind = Node::Kind::real; out.real = from.as_floating_point()->get(); break;
    case toml::node_type::boolean: out.kind = Node::Kind::boolean; out.boolean = from.as_boolean()->get(); break;
    default: out.kind = Node::Kind::date; break;
  }
  return out;
}

void merge(Node& base, Node&& over) {
  if (base.kind != Node::Kind::table || over.kind != Node::Kind::table) {
    base = std::move(over);
    return;
  }
  for (auto& [key, value] : over.members) {
    const auto [found, added] = base.members.try_emplace(key);
    if (added) found->second = std::move(value);
    else merge(found->second, std::move(value));
  }
}

ConfigIssue issue(const Place& at, std::string_view message, std::string remedy) {
  return {
      .file = at.file, .line = at.line, .column = at.column, .key = {}, .message = printable(message), .remedy = std::move(remedy)};
}

}  // namespace

std::string_view to_string(Node::Kind kind) noexcept {
  switch (kind) {
    case Node::Kind::table: return "a table";
    case Node::Kind::array: return "an array";
    case Node::Kind::string: return "a string";
    case Node::Kind::integer: return "an integer";
    case Node::Kind::real: return "a number";
    case Node::Kind::boolean: return "a boolean";
    case Node::Kind::date: return "a date or time";
  }
  return "a value";
}

void read_toml(const ConfigFile& file, Node& root, std::vector<ConfigIssue>& issues) {
  if (const auto deep = too_deep(file.bytes)) {
    issues.push_back(issue({.file = file.name, .line = deep->line, .column = deep->column}, deep->why,
                           "see docs/CONFIGURATION.md for the keys there are"));
    return;
  }
  try {
    const toml::table table = toml::parse(std::string_view(file.bytes), std::string_view(file.name));
    merge(root, convert(table, {.file = file.name}));
  } catch (const toml::parse_error& error) {
    issues.push_back(issue(place(file.name, error.source().begin), error.description(), "correct the TOML"));
  }
}

const Place& place_of(const Node& root, std::initializer_list<std::string_view> way) {
  const Node* node = &root;
  for (const std::string_view key : way) {
    const auto found = node->members.find(std::string(key));
    if (found == node->members.end()) break;
    node = &found->second;
  }
  return node->place;
}

}  // namespace pgcertd::config
