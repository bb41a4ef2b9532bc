// Covers lib/core/exposed_keys.cpp: a key that others could read is told of until another is in use.
#include <gtest/gtest.h>

#include "core/exposed_keys.hpp"
#include "unit/core/case.hpp"

namespace pgcertd::testing {
namespace {

void note(Case& c) { note_exposed_keys(c.seen.memory, c.seen, c.now); }
FileSeen& key_of(Case& c) { return c.current().files.back(); }

TEST(ExposedKeys, StandWhenTheModeIsRepairedAndGoWithTheirKey) {
  Case c;
  note(c);
  EXPECT_FALSE(c.has(ProblemCode::key_exposed));
  key_of(c).mode = 0644;
  note(c);
  EXPECT_EQ(c.severity(ProblemCode::key_exposed), Severity::critical);
  key_of(c).mode = 0600;
  note(c);
  EXPECT_EQ(c.severity(ProblemCode::key_exposed), Severity::critical);
  EXPECT_FALSE(c.has(ProblemCode::file_permissions));
  c.publish_second();
  note(c);
  EXPECT_FALSE(c.has(ProblemCode::key_exposed));
  EXPECT_EQ(c.seen.memory.exposed_keys.size(), 1U) << "it may be put back";
  c.seen.generations.all.erase(c.seen.generations.all.begin());
  c.seen.blind = true;
  note(c);
  EXPECT_EQ(c.seen.memory.exposed_keys.size(), 1U);
  c.seen.blind = false;
  note(c);
  EXPECT_TRUE(c.seen.memory.exposed_keys.empty());
}

TEST(ExposedKeys, AreThoseThatOthersMayRead) {
  const auto noted = [](mode_t mode, uid_t uid) {
    Case c;
    key_of(c).mode = mode, key_of(c).uid = uid;
    note(c);
    return c.seen.memory.exposed_keys.size();
  };
  EXPECT_EQ(noted(0640, 26), 1U);
  EXPECT_EQ(noted(0640, 0), 0U);
  EXPECT_EQ(noted(0604, 0), 1U);
  EXPECT_EQ(noted(0622, 26), 0U);
  EXPECT_EQ(noted(0, 26), 0U);
}

TEST(ExposedKeys, OfAForeignPairToo) {
  Case c;
  c.foreign();
  c.seen.live.chain.front().spki_sha256 = "spki-ff";
  c.seen.live_files = {{FileRole::key, {"/etc/pki/db.key", FileSeen::Kind::regular, 26, 26, 0644, 100, 1}, {}, {}}};
  note(c);
  c.seen.live_files.front().file.mode = 0600;
  EXPECT_TRUE(c.has(ProblemCode::key_exposed));
}

}  // namespace
}  // namespace pgcertd::testing
