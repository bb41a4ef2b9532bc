// Covers lib/core/server.cpp.
#include "core/server.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace pgcertd {
namespace {

TEST(ServerFaultNames, EachIsItsOwn) {
  std::set<std::string> names;
  for (int value = 0; value <= static_cast<int>(ServerFault::other); ++value)
    names.emplace(to_string(static_cast<ServerFault>(value)));
  EXPECT_EQ(names.size(), 11U);
  EXPECT_EQ(to_string(ServerFault::too_many_connections), "too-many-connections");
  EXPECT_EQ(to_string(static_cast<ServerFault>(99)), "other");
}

TEST(ProbeOutcomeNames, EachIsItsOwn) {
  std::set<std::string> names;
  for (int value = 0; value <= static_cast<int>(ProbeOutcome::handshake_failed); ++value)
    names.emplace(to_string(static_cast<ProbeOutcome>(value)));
  EXPECT_EQ(names.size(), 6U);
  EXPECT_EQ(to_string(ProbeOutcome::ssl_refused), "ssl-refused");
}

TEST(PostgresSeenSettings, UnknownIsEmptyAndSslIsOffUntilSeenOn) {
  PostgresSeen seen;
  EXPECT_FALSE(seen.ssl_on());
  EXPECT_EQ(seen.setting("ssl_cert_file"), "");
  seen.settings["ssl"].value = "off";
  EXPECT_FALSE(seen.ssl_on());
  seen.settings["ssl"].value = "on";
  EXPECT_TRUE(seen.ssl_on());
}

TEST(PostgresSeenSettings, RelativePathsResolveInTheDataDirectory) {
  struct Case {
    std::string directory, value, expected;
  };
  for (const auto& [directory, value, expected] : {Case{"/d", "server.crt", "/d/server.crt"}, Case{"/d/", "server.crt", "/d/server.crt"},
                                                   Case{"/d", "/etc/a.crt", "/etc/a.crt"}, Case{"/d", "", ""},
                                                   Case{"", "server.crt", "server.crt"}}) {
    PostgresSeen seen;
    seen.data_directory = directory;
    seen.settings["ssl_cert_file"].value = value;
    EXPECT_EQ(seen.file_setting("ssl_cert_file"), expected);
  }
}

TEST(PostgresSeenReachable, OnlyWithoutFault) {
  PostgresSeen seen;
  EXPECT_FALSE(seen.reachable());
  seen.fault = ServerFault::none;
  EXPECT_TRUE(seen.reachable());
}

}  // namespace
}  // namespace pgcertd
