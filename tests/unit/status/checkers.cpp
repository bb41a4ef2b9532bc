#include "unit/status/checkers.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include "base/text.hpp"

namespace pgcertd::check {
namespace {

const std::set<std::string_view> void_tags{"meta", "link", "input", "br", "hr", "img"};
bool word(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

struct Tag {
  std::string name;
  bool closing = false, alone = false;
  std::size_t end = 0;      // behind '>'
  std::set<std::string> ids;
};

// Attributes must be name or name="…" without '<'.
std::string read_tag(std::string_view html, std::size_t at, Tag& tag) {
  std::size_t i = at + 1;
  tag.closing = i < html.size() && html[i] == '/';
  if (tag.closing) ++i;
  while (i < html.size() && word(html[i])) tag.name += html[i++];
  if (tag.name.empty()) return fmt::format("'<' that begins no tag: {}", html.substr(at, 60));
  for (;;) {
    while (i < html.size() && (html[i] == ' ' || html[i] == '\n')) ++i;
    if (i >= html.size()) return "tag without end";
    if (html[i] == '/') { tag.alone = true; ++i; }
    if (html[i] == '>') break;
    std::string name;
    while (i < html.size() && (word(html[i]) || (html[i] >= 'A' && html[i] <= 'Z') || html[i] == '-')) name += html[i++];
    if (name.empty()) return fmt::format("attribute without name in {}", html.substr(at, 80));
    if (html[i] != '=') continue;
    if (html[++i] != '"') return fmt::format("attribute {} without quotes", name);
    const std::size_t close = html.find('"', i + 1);
    if (close == std::string_view::npos) return "attribute without end";
    const std::string_view value = html.substr(i + 1, close - i - 1);
    if (value.find('<') != std::string_view::npos) return fmt::format("'<' in attribute {}", name);
    if (name == "id") tag.ids.emplace(value);
    i = close + 1;
  }
  tag.end = i + 1;
  return {};
}

std::size_t skip_name(std::string_view line, std::size_t at) {
  while (at < line.size() && (word(line[at]) || line[at] == '_')) ++at;
  return at;
}

// Behind `="…"`, in which only \\, \" and \n stand escaped; npos where it is not so.
std::size_t skip_value(std::string_view line, std::size_t at) {
  if (!line.substr(at).starts_with("=\"")) return std::string_view::npos;
  for (at += 2; at < line.size() && line[at] != '"'; ++at)
    if (line[at] == '\\' && (++at >= line.size() || std::string_view("\\\"n").find(line[at]) == std::string_view::npos))
      return std::string_view::npos;
  return at < line.size() ? at + 1 : std::string_view::npos;
}

// Name of the series on this line, or empty when it is no well-formed sample.
std::string sample_name(const std::string& line) {
  std::size_t at = skip_name(line, 0);
  const std::string name = line.substr(0, at);
  if (at < line.size() && line[at] == '{') {
    do {
      const std::size_t label = at + 1;
      at = skip_name(line, label);
      if (at == label) return {};
      at = skip_value(line, at);
      if (at >= line.size()) return {};
    } while (line[at] == ',');
    if (line[at++] != '}') return {};
  }
  if (at + 1 >= line.size() || line[at] != ' ') return {};
  char* end = nullptr;
  (void)std::strtod(line.c_str() + at + 1, &end);   // only where it ends is of interest
  return *end == '\0' ? name : std::string();
}

}  // namespace

bool valid_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t k = 1; k < length; ++k)
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return false;
    i += length;
  }
  return true;
}

std::string html_fault(std::string_view html) {
  if (!html.starts_with("<!DOCTYPE html>\n")) return "no doctype";
  if (!valid_utf8(html)) return "not UTF-8";
  std::vector<std::string> open;
  std::set<std::string> ids;
  for (std::size_t at = html.find('<', 15); at != std::string_view::npos;) {
    Tag tag;
    if (std::string fault = read_tag(html, at, tag); !fault.empty()) return fault;
    for (const std::string& id : tag.ids)
      if (!ids.insert(id).second) return fmt::format("id {} twice", id);
    if (tag.name == "script") return "a script";
    if (tag.closing) {
      if (open.empty() || open.back() != tag.name)
        return fmt::format("</{}> closes {}", tag.name, open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!tag.alone && !void_tags.contains(tag.name)) {
      open.push_back(tag.name);
    }
    at = html.find('<', tag.name == "style" && !tag.closing ? html.find("</style>", tag.end) : tag.end);
  }
  return open.empty() ? "" : fmt::format("<{}> is not closed", open.back());
}

std::string metrics_fault(std::string_view text) {
  if (!valid_utf8(text)) return "not UTF-8";
  std::set<std::string> helped, typed, series;
  std::string current, current_type, line;
  std::istringstream in{std::string(text)};
  while (std::getline(in, line)) {
    std::istringstream words(line);
    std::string hash, kind, name, rest;
    words >> hash >> kind >> name >> rest;
    if (hash == "#" && kind == "HELP") {
      if (rest.empty() || !helped.insert(name).second) return "HELP empty or twice: " + name;
    } else if (hash == "#") {
      if (kind != "TYPE" || !typed.insert(name).second) return "TYPE twice: " + name;
      current = name;
      current_type = rest;
      if ((rest == "counter") != name.ends_with("_total")) return "a counter ends in _total, nothing else does: " + name;
    } else {
      if (line.size() > 4096) return "a line longer than any of ours should be";
      if (sample_name(line).empty()) return "no sample: " + line;
      std::string family = sample_name(line);
      if (current_type == "histogram")
        for (const std::string_view ending : {"_bucket", "_sum", "_count"})
          if (family.ends_with(ending)) family.resize(family.size() - ending.size());
      if (family != current || !helped.contains(current)) return "outside its family: " + line;
      if (!series.insert(line.substr(0, line.rfind(' '))).second) return "doubled: " + line;
    }
  }
  return series.empty() ? "no series" : "";
}

}  // namespace pgcertd::check
