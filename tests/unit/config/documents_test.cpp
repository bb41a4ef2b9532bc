// What is shipped for people to read says what the parser does: etc/pgcertd.toml and docs/CONFIGURATION.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "config/print.hpp"

namespace pgcertd {
namespace {

std::string file_text(const std::string& name) {
  std::ifstream in(std::string(PGCERTD_SOURCE_DIR "/") + name, std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

// A commented line that is a section or a setting becomes one; prose stays a comment ("#" and a space).
std::string uncommented(const std::string& toml) {
  std::istringstream in(toml);
  std::string out;
  for (std::string line; std::getline(in, line);)
    out += (line.size() > 1 && line[0] == '#' && line[1] != ' ' ? line.substr(1) : line) + "\n";
  return out;
}

// "[cluster.main]" → "cluster.NAME.", "[daemon]" → "daemon."; empty when it is no such line.
std::string section_of(const std::string& line, const std::string& before, const std::string& after) {
  if (!line.starts_with(before) || !line.ends_with(after)) return {};
  const std::string name = line.substr(before.size(), line.size() - before.size() - after.size());
  const auto dot = name.find('.');
  return dot == std::string::npos ? name + "." : name.substr(0, dot) + ".NAME.";
}

// "daemon.check_interval" → "\"1m\"", with NAME in place of names of sections.
std::map<std::string, std::string> settings_of(const std::string& toml) {
  std::istringstream in(toml);
  std::map<std::string, std::string> out;
  std::string prefix;
  for (std::string line; std::getline(in, line);) {
    const auto equals = line.find(" = ");
    if (const auto section = section_of(line, "[", "]"); !section.empty()) prefix = section;
    else if (!line.starts_with('#') && equals != std::string::npos) out[prefix + line.substr(0, equals)] = line.substr(equals + 3);
  }
  return out;
}

// The same out of the tables of the documentation: | `key` | type | `default` | meaning |
std::map<std::string, std::string> documented(const std::string& markdown) {
  const auto plain = [](const std::string& cell) {
    std::string out;
    for (const char c : cell)
      if (c != '`') out += c;
    return out;
  };
  std::istringstream in(markdown);
  std::map<std::string, std::string> out;
  std::string prefix;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) prefix = section_of(line, "## `[", "]`");
    if (prefix.empty() || !line.starts_with("| `")) continue;
    std::vector<std::string> cells;
    for (std::size_t at = 2; at < line.size();) {
      const auto end = std::min(line.find(" | ", at), line.size());
      cells.push_back(line.substr(at, end - at));
      at = end + 3;
    }
    EXPECT_EQ(cells.size(), 4U) << line;
    EXPECT_GT(cells.back().size(), 10U) << line;
    out[prefix + plain(cells[0])] = plain(cells.at(2));
  }
  return out;
}

Config parsed(const std::string& toml) {
  const auto loaded = parse_config({{.name = "pgcertd.toml", .bytes = toml}});
  for (const auto& issue : loaded.issues) ADD_FAILURE() << issue.text();
  return loaded.config.value_or(Config{});
}

// The defaults as the program prints them, with one section of each kind.
std::map<std::string, std::string> defaults() {
  return settings_of(to_toml(parsed("[crl.partner]\nurls = ['https://pki.example.org/partner.crl']\n"
                                    "[cluster.main]\nconninfo = 'host=/run/postgresql port=5432 dbname=postgres user=pgcertd'\n")));
}

TEST(Sample, IsAValidConfigurationAsItIs) { EXPECT_EQ(parsed(file_text("etc/pgcertd.toml")), Config{}); }

TEST(Sample, UncommentedItHasEveryKeyWithItsDefault) {
  const std::string all = uncommented(file_text("etc/pgcertd.toml"));
  const Config config = parsed(all);
  EXPECT_EQ(config.clusters.size(), 1U);
  EXPECT_EQ(config.issuers.size(), 1U);
  EXPECT_EQ(config.crls.size(), 1U);
  EXPECT_EQ(settings_of(all), defaults());
  EXPECT_EQ(settings_of(to_toml(config)), defaults());
}

TEST(Documentation, HasEveryKeyWithItsDefaultAndNoOther) {
  auto wanted = defaults();
  wanted["crl.NAME.urls"] = "none";
  wanted["cluster.NAME.conninfo"] = "none";
  EXPECT_EQ(documented(file_text("docs/CONFIGURATION.md")), wanted);
}

TEST(KnownKeys, AreThoseThatArePrinted) {
  const auto printed = defaults();
  const auto known = known_keys();
  EXPECT_EQ(known.size(), printed.size());
  for (const auto& key : known) EXPECT_TRUE(printed.contains(key)) << key;
}

}  // namespace
}  // namespace pgcertd
