// Covers lib/config/idle_keys.cpp, and that docs/CONFIGURATION.md lists the same keys.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "config/idle_keys.hpp"
#include "config/load.hpp"

namespace pgcertd {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAreArray;

constexpr const char* least = "[cluster.main]\nconninfo = 'host=/run/postgresql port=5432 dbname=postgres user=pgcertd'\n";

std::vector<std::string> idle_in(const std::string& toml) {
  const auto loaded = parse_config({{.name = "pgcertd.toml", .bytes = toml}});
  for (const auto& issue : loaded.issues) ADD_FAILURE() << issue.text();
  return idle_keys_in(loaded.config.value_or(Config{}));
}

TEST(IdleKeys, AreNotNamedWhileTheyHaveTheirDefault) {
  EXPECT_THAT(idle_in(least), IsEmpty());
  EXPECT_THAT(idle_in(std::string(least) + "crl_max_entries = 1000000\n"), IsEmpty());
}

TEST(IdleKeys, AreNamedWhereTheyAreSet) {
  EXPECT_THAT(idle_in(std::string(least) + "lifetime = '30d'\nrestart = 'when-required'\n[cluster.other]\nconninfo = 'host=/tmp port=5433 user=pgcertd'\n"
                      "crl_max_entries = 5\n[http]\nissuer = 'local'\n[crl.partner]\nurls = ['https://pki.example.org/partner.crl']\n"),
              ElementsAre("http.issuer"));
}

TEST(IdleKeys, AreKnownKeys) {
  const auto known = known_keys();
  for (const auto key : idle_keys()) EXPECT_NE(std::ranges::find(known, key), known.end()) << key;
}

TEST(IdleKeys, AreListedInTheDocumentation) {
  std::ifstream in(PGCERTD_SOURCE_DIR "/docs/CONFIGURATION.md", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  std::vector<std::string> listed;
  for (std::size_t at = text.find("## Not acted on yet"); at != std::string::npos; at = text.find("\n- `", at + 1)) {
    const auto begin = text.find('`', at);
    if (text.compare(at, 4, "\n- `") == 0) listed.push_back(text.substr(begin + 1, text.find('`', begin + 1) - begin - 1));
  }
  EXPECT_THAT(listed, UnorderedElementsAreArray(idle_keys().begin(), idle_keys().end()));
}

}  // namespace
}  // namespace pgcertd
