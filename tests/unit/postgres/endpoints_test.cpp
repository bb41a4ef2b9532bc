// Covers lib/postgres/endpoints.cpp.
#include "postgres/endpoints.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcertd::postgres {
namespace {

using ::testing::Contains;
using Texts = std::vector<std::string>;

TEST(Endpoints, FollowListenAddresses) {
  const Texts interfaces{"127.0.0.1", "::1", "10.0.0.5", "2001:db8::5"};
  struct Case {
    Texts listen, configured, interfaces, expected;
  };
  for (const auto& [listen, configured, found, expected] : std::vector<Case>{
           {{}, {}, interfaces, {}},
           {{}, {"db:1"}, interfaces, {"db:1"}},
           {{"localhost"}, {}, interfaces, {"127.0.0.1:5433"}},
           {{"localhost"}, {"127.0.0.1:5433"}, interfaces, {"127.0.0.1:5433"}},
           {{"10.0.0.5", "::1", "db1"}, {}, {}, {"10.0.0.5:5433", "[::1]:5433", "db1:5433"}},
           {{"*"}, {}, interfaces, {"127.0.0.1:5433", "[::1]:5433", "10.0.0.5:5433", "[2001:db8::5]:5433"}},
           {{"*"}, {}, {"127.0.0.1"}, {"127.0.0.1:5433"}},
           {{"0.0.0.0"}, {}, interfaces, {"127.0.0.1:5433", "10.0.0.5:5433"}},
           {{"::"}, {}, interfaces, {"[::1]:5433", "[2001:db8::5]:5433"}},
           {{"0.0.0.0", "::"}, {"lb.example.org:6432"}, {}, {"127.0.0.1:5433", "[::1]:5433", "lb.example.org:6432"}},
       }) {
    PostgresSeen server;
    server.listen_addresses = listen;
    server.port = 5433;
    EXPECT_EQ(endpoints_of(server, configured, found), expected);
  }
}

TEST(Endpoints, AWildcardIsCapped) {
  PostgresSeen server;
  server.listen_addresses = {"*"};
  Texts many;
  for (int i = 1; i < 50; ++i) many.push_back("10.0.0." + std::to_string(i));
  const auto out = endpoints_of(server, {"db:1"}, many);
  EXPECT_EQ(out.size(), 9U);
  EXPECT_EQ(out.back(), "db:1");
}

TEST(Endpoints, AreParsed) {
  struct Case {
    std::string text, host;
    std::uint16_t port;
  };
  for (const auto& [text, host, port] : std::vector<Case>{{"db:1", "db", 1},
                                                          {"db", "db", 5432},
                                                          {"[::1]:65535", "::1", 65535},
                                                          {"[::1]", "::1", 5432},
                                                          {"::1", "::1", 5432},
                                                          {"127.0.0.1:5433", "127.0.0.1", 5433}}) {
    const auto parsed = parse_endpoint(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(parsed->host, host);
    EXPECT_EQ(parsed->port, port);
  }
  for (const std::string bad : {"", ":1", "db:", "db:0", "db:65536", "db:1x", "db:-1", "[::1", "[::1]x", "[db]:1", "a b:1", "/run:1", "a:1:2", "db: 1"})
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  EXPECT_FALSE(parse_endpoint(std::string("d\0b:1", 5)));
}

TEST(Endpoints, InterfacesIncludeLoopback) { EXPECT_THAT(interface_addresses(), Contains("127.0.0.1")); }

}  // namespace
}  // namespace pgcertd::postgres
