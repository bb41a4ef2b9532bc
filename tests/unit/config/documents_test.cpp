// What is shipped for people to read says what the parser does: etc/pgcertd.toml and docs/CONFIGURATION.md.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>

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

// "daemon.check_interval" → "\"1m\"", with NAME in place of names of sections.
std::map<std::string, std::string> settings_of(const std::string& toml) {
  static const std::regex section(R"(\[([a-z]+)(\.[a-z]+)?\])"), setting(R"(([a-z_]+)\s*= (.*))");
  std::istringstream in(toml);
  std::map<std::string, std::string> out;
  std::string prefix;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_match(line, match, section)) prefix = match[1].str() + (match[2].matched ? ".NAME." : ".");
    else if (std::regex_match(line, match, setting)) out[prefix + match[1].str()] = match[2].str();
  }
  return out;
}

// The same out of the tables of the documentation.
std::map<std::string, std::string> documented(const std::string& markdown) {
  static const std::regex section(R"(## `\[([a-zA-Z.]+)\]`)"), row(R"(\| `([a-z_]+)` \| ([^|]+) \| `?([^|`]+)`? \| ([^|]+) \|)");
  std::istringstream in(markdown);
  std::map<std::string, std::string> out;
  std::string prefix;
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_match(line, match, section)) prefix = match[1].str() + ".";
    else if (std::regex_match(line, match, row)) out[prefix + match[1].str()] = match[3].str();
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
