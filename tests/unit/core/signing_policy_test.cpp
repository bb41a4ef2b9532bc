#include "core/signing_policy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/runway.hpp"

namespace pgcertd {
namespace {

using std::chrono::days;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

SigningAsked asked(std::vector<std::string> names = {"db1.example.org"}) { return {SigningProfile::server, "db1", {std::move(names), {}}, days{90}, KeyType::ecdsa_p256, "ecdsa-p256", false}; }

TEST(SigningPolicy, CutsALifeAndSaysSo) {
  const SigningPolicy policy;
  SigningAsked one = asked();
  EXPECT_EQ(rule(policy, one).lifetime, days{90});
  EXPECT_TRUE(rule(policy, one).changes.empty());
  one.lifetime = days{398};
  EXPECT_TRUE(rule(policy, one).changes.empty());
  one.lifetime = days{399};
  EXPECT_EQ(rule(policy, one).lifetime, days{398});
  EXPECT_THAT(rule(policy, one).changes, ElementsAre("life 398d instead of 399d"));
  one.lifetime = {};
  EXPECT_EQ(rule(policy, one).lifetime, days{90}) << "where nothing is asked for";
  one.profile = SigningProfile::issuing;
  EXPECT_EQ(rule(policy, one).lifetime, days{730});
}

TEST(SigningPolicy, NamesAndKeysMustBeAllowed) {
  SigningPolicy policy;
  policy.server.names = {"*.example.org", "10.0.*"};
  EXPECT_EQ(rule(policy, asked()).refused, "");
  EXPECT_THAT(rule(policy, asked({"db1.example.org", "db1.example.com"})).refused, HasSubstr("db1.example.com"));
  SigningAsked address = asked({});
  address.names.ip = {"10.0.0.5", "10.1.0.5"};
  EXPECT_THAT(rule(policy, address).refused, HasSubstr("10.1.0.5"));
  policy.server.key_types = {KeyType::ecdsa_p384};
  EXPECT_THAT(rule(policy, asked()).refused, HasSubstr("ecdsa-p384"));
}

TEST(SigningPolicy, AClientIsJudgedByItsRole) {
  SigningPolicy policy;
  policy.client.names = {"app_*"};
  policy.client.max_lifetime = days{30};
  SigningAsked one = asked();
  one.profile = SigningProfile::client;
  one.common_name = "app_billing";
  EXPECT_EQ(rule(policy, one).refused, "");
  EXPECT_EQ(rule(policy, one).lifetime, days{30});
  one.common_name = "postgres";
  EXPECT_THAT(rule(policy, one).refused, HasSubstr("\"postgres\""));
}

TEST(SigningPolicy, ANewCaNeedsAPerson) {
  const SigningPolicy policy;
  SigningAsked one = asked();
  EXPECT_FALSE(rule(policy, one).needs_a_person);
  one.profile = SigningProfile::issuing;
  EXPECT_TRUE(rule(policy, one).needs_a_person);
  one.known_key = true;
  EXPECT_FALSE(rule(policy, one).needs_a_person);
}

TEST(SigningPolicy, Patterns) {
  for (const auto& [pattern, name] : {std::pair{"*.example.org", "DB1.example.org"}, {"*", ""}, {"a*b*c", "aXbYbc"}, {"db1.example.org", "db1.example.org"}}) EXPECT_TRUE(matches_pattern(pattern, name)) << pattern;
  for (const auto& [pattern, name] : {std::pair{"*.example.org", "example.org"}, {"", "a"}, {"a*b", "a"}, {"10.0.*", "10.00.1"}, {"*.example.org", "db1.example.org.evil"}}) EXPECT_FALSE(matches_pattern(pattern, name)) << pattern;
}

TEST(Visits, AreForeseenAndSettleEverything) {
  const TimePoint now = from_unix(1767225600);
  const std::vector<RootWant> wants{{"ca", now + days{365}, now + days{730}, days{365}, days{730}}, {"crl", now + days{300}, now + days{396}, days{300}, days{396}}};
  const auto visits = foresee_visits(wants, now, std::nullopt, 3);
  ASSERT_EQ(visits.size(), 3U);
  EXPECT_EQ(visits[0].from, now + days{300});
  EXPECT_EQ(visits[0].until, now + days{396});
  EXPECT_THAT(visits[0].what, ElementsAre("crl"));
  EXPECT_EQ(visits[1].from, now + days{600}) << "one visit settles both, so that the next is a whole wait away";
  EXPECT_TRUE(foresee_visits({}, now, std::nullopt, 3).empty());
  EXPECT_EQ(foresee_visits(wants, now, now + days{400}, 3).size(), 1U) << "none lies behind the root's end";
  std::vector<RootWant> late = wants;
  late[1].needed_at = now - days{10};
  EXPECT_EQ(foresee_visits(late, now, std::nullopt, 2)[1].from, now + days{300}) << "counted from now, as that is when it can be made";
}

}  // namespace
}  // namespace pgcertd
