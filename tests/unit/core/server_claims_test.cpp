// Covers lib/core/server_claims.cpp: two sections of the configuration that lead to one server.
#include <gtest/gtest.h>

#include "core/server_claims.hpp"

namespace pgcertd {
namespace {

const TimePoint started = from_unix(1'700'000'000);

TEST(ServerClaims, TheSameServerByDirectoryOrWhereThatIsHiddenByItsStart) {
  const ServerClaim one{"71", "/pg/15", started, false};
  EXPECT_TRUE(same_server(one, {"71", "/pg/15", started + Duration{5}, false}));   // the other looked before a restart
  EXPECT_TRUE(same_server(one, {"", "/pg/15", {}, false}));                        // a cold start
  EXPECT_TRUE(same_server(one, {"71", "", started, false}));
  EXPECT_FALSE(same_server(one, {"71", "/pg/standby", started, false}));
  EXPECT_FALSE(same_server(one, {"71", "", started + Duration{5}, false}));        // a standby
  EXPECT_FALSE(same_server(one, {"72", "/pg/15", started, false}));                // two containers
  EXPECT_FALSE(same_server(one, {"", "", {}, false}));
  EXPECT_FALSE(same_server({"71", "", {}, false}, {"71", "", {}, false}));
}

TEST(ServerClaims, TheFirstHasItUntilItIsNotConfiguredAnyMoreOrHasAnother) {
  ServerClaims claims;
  const ServerClaim subject{"71", "/pg/15", started, false}, other{"72", "/pg/16", started, false};
  EXPECT_EQ(claims.claim("main", subject), "");
  EXPECT_EQ(claims.claim("main", subject), "");
  EXPECT_EQ(claims.claim("twin", subject), "main");
  claims.keep_only({"twin"});
  EXPECT_EQ(claims.claim("twin", subject), "");
  EXPECT_EQ(claims.claim("twin", other), "");
  EXPECT_EQ(claims.claim("main", subject), "");
}

TEST(ServerClaims, WhoseFilesTheServerUsesHasIt) {
  ServerClaims claims;
  const ServerClaim subject{"71", "/pg/15", started, false}, used{"71", "/pg/15", started, true};
  EXPECT_EQ(claims.claim("main", subject), "");
  EXPECT_EQ(claims.claim("twin", used), "");
  EXPECT_EQ(claims.claim("main", subject), "twin");
  EXPECT_EQ(claims.claim("main", used), "twin");
}

}  // namespace
}  // namespace pgcertd
