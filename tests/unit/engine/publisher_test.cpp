// Covers lib/engine/publisher.cpp: who is shown, and who is awaited, while the configuration changes.
#include "engine/publisher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgcertd::engine::publisher_tests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const TimePoint start = from_unix(1'767'225'600);

ClusterView cluster(const std::string& name) {
  ClusterView view;
  view.name = name;
  return view;
}
IssuerView issuer(const std::string& name) {
  IssuerView view;
  view.seen.name = name;
  return view;
}

struct Shown : ::testing::Test {
  Publisher publisher;
  void configure(const std::vector<std::string>& clusters, const std::vector<std::string>& issuers) { publisher.configure(clusters, issuers, true, start, {}, start); }
  void look(const std::string& name) { publisher.publish(cluster(name), TaskView{"cluster:" + name, start, {}, 0}, 0, start); }
  void ask(const std::string& name) { publisher.publish(issuer(name), TaskView{"issuer:" + name, start, {}, 0}, start); }
};

TEST_F(Shown, AClusterThatWasNotLookedAtIsAwaited) {
  configure({"a", "b"}, {});
  EXPECT_THAT(publisher.snapshot()->awaited, ElementsAre("a", "b"));
  look("b");
  EXPECT_THAT(publisher.snapshot()->awaited, ElementsAre("a"));
  EXPECT_FALSE(publisher.snapshot()->first_pass_done);
  look("a");
  EXPECT_THAT(publisher.snapshot()->awaited, IsEmpty());
  EXPECT_TRUE(publisher.snapshot()->first_pass_done);
}

// Its worker may have been at work while the configuration changed.
TEST_F(Shown, WhoIsNotConfiguredAnyMoreDoesNotComeBack) {
  configure({"a"}, {"old"});
  look("a");
  ask("old");
  EXPECT_EQ(publisher.snapshot()->issuers.size(), 1U);
  configure({"b"}, {"new"});
  look("a");
  ask("old");
  EXPECT_THAT(publisher.snapshot()->clusters, IsEmpty());
  EXPECT_THAT(publisher.snapshot()->issuers, IsEmpty());
  EXPECT_THAT(publisher.snapshot()->tasks, IsEmpty());
}

}  // namespace
}  // namespace pgcertd::engine::publisher_tests
