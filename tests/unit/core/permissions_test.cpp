#include "core/permissions.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace pgcertd {
namespace {

constexpr uid_t postgres = 26, somebody = 1000;
constexpr gid_t postgres_group = 26, ssl_cert = 110, foreign_group = 1000;
const ServerIdentity server{.uid = postgres, .gid = postgres_group, .groups = {ssl_cert}};

FileSeen file(uid_t uid, gid_t gid, mode_t mode, FileSeen::Kind kind = FileSeen::Kind::regular) {
  return {.path = "/x", .kind = kind, .uid = uid, .gid = gid, .mode = mode, .size = 1, .links = 1};
}

struct Owner {
  const char* name;
  uid_t uid;
  gid_t gid;
};
const std::vector<Owner> owners{{"the server's user", postgres, foreign_group},
                                {"root, group the server's", 0, postgres_group},
                                {"root, a further group of the server", 0, ssl_cert},
                                {"root:root", 0, 0},
                                {"anyone else", somebody, postgres_group}};

// What PostgreSQL 15 accepted when it was tried with each owner: the modes that are written down, and nothing else.
const std::set<mode_t> accepted_own{0400, 0500, 0600, 0700};
const std::set<mode_t> accepted_root{0040, 0140, 0240, 0340, 0440, 0540, 0640, 0740};

FileVerdict restated(const Owner& owner, mode_t mode) {
  if (owner.uid == somebody) return FileVerdict::wrong_owner;
  if (owner.uid == postgres) {
    if (mode % 0100 != 0) return FileVerdict::group_or_world;
    return accepted_own.contains(mode) ? FileVerdict::ok : FileVerdict::unreadable;
  }
  const mode_t group = mode / 010 % 010;
  if (mode % 010 != 0 || (group != 0 && group != 4)) return FileVerdict::group_or_world;
  return owner.gid != 0 && accepted_root.contains(mode) ? FileVerdict::ok : FileVerdict::unreadable;
}

TEST(JudgeKey, EveryModeOfEveryOwner) {
  for (const Owner& owner : owners)
    for (mode_t mode = 0; mode <= 0777; ++mode)
      EXPECT_EQ(judge_key(server, file(owner.uid, owner.gid, mode)), restated(owner, mode))
          << owner.name << " " << std::oct << mode;
}

struct Fact {
  const Owner& owner;
  std::vector<mode_t> accepted, refused;
};

TEST(JudgeKey, WhatWasTriedWithPostgreSQL) {
  const std::vector<Fact> facts{{owners[0], {0400, 0600}, {0440, 0640, 0644, 0660, 0604}},
                                {owners[1], {0440, 0640}, {0400, 0600, 0644, 0660, 0604}},
                                {owners[3], {}, {0400, 0440, 0600, 0640, 0644, 0660, 0604}},
                                {owners[4], {}, {0400, 0440, 0600, 0640, 0644, 0660, 0604, 0777}}};
  for (const auto& [owner, accepted, refused] : facts) {
    for (const mode_t mode : accepted)
      EXPECT_EQ(judge_key(server, file(owner.uid, owner.gid, mode)), FileVerdict::ok) << owner.name << std::oct << mode;
    for (const mode_t mode : refused)
      EXPECT_NE(judge_key(server, file(owner.uid, owner.gid, mode)), FileVerdict::ok) << owner.name << std::oct << mode;
  }
}

TEST(JudgeKey, KindIsJudgedBeforeOwnerAndMode) {
  EXPECT_EQ(judge_key(server, file(postgres, 0, 0600, FileSeen::Kind::missing)), FileVerdict::missing);
  EXPECT_EQ(judge_key(server, file(somebody, 0, 0777, FileSeen::Kind::directory)), FileVerdict::not_regular);
  EXPECT_EQ(judge_key(server, file(postgres, 0, 0600, FileSeen::Kind::other)), FileVerdict::not_regular);
}

// One class decides, also where another would allow more.
bool reads(const Owner& owner, mode_t mode) {
  if (owner.uid == postgres) return mode & 0400;
  if (owner.gid == postgres_group || owner.gid == ssl_cert) return mode & 040;
  return mode & 04;
}

TEST(JudgePublic, EveryModeOfEveryOwner) {
  for (const Owner& owner : owners)
    for (mode_t mode = 0; mode <= 0777; ++mode) {
      const FileSeen seen = file(owner.uid, owner.gid, mode);
      EXPECT_EQ(can_read(server, seen), reads(owner, mode)) << owner.name << " " << std::oct << mode;
      EXPECT_EQ(judge_public(server, seen), reads(owner, mode) ? FileVerdict::ok : FileVerdict::unreadable)
          << owner.name << " " << std::oct << mode;
      // Search is to a directory what execution is to a file: one bit to the right of reading, twice.
      EXPECT_EQ(can_search(server, file(owner.uid, owner.gid, mode, FileSeen::Kind::directory)), reads(owner, (mode & 0111) << 2U))
          << owner.name << std::oct << mode;
    }
  EXPECT_EQ(judge_public(server, file(postgres, 0, 0644, FileSeen::Kind::missing)), FileVerdict::missing);
  EXPECT_EQ(judge_public(server, file(postgres, 0, 0644, FileSeen::Kind::other)), FileVerdict::not_regular);
}

TEST(Permissions, RootReadsAndSearchesEverything) {
  const ServerIdentity root{.uid = 0, .gid = 0, .groups = {}};
  for (const mode_t mode : {0000U, 0400U, 0777U}) {
    EXPECT_TRUE(can_read(root, file(somebody, foreign_group, mode)));
    EXPECT_TRUE(can_search(root, file(somebody, foreign_group, mode, FileSeen::Kind::directory)));
  }
}

TEST(Permissions, EveryVerdictAndRoleHasAWordOfItsOwn) {
  std::set<std::string_view> words;
  for (const auto verdict : {FileVerdict::ok, FileVerdict::missing, FileVerdict::not_regular, FileVerdict::wrong_owner,
                             FileVerdict::group_or_world, FileVerdict::unreadable})
    words.insert(to_string(verdict));
  for (const auto role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl}) words.insert(file_name(role));
  EXPECT_EQ(words.size(), 10U);
}

}  // namespace
}  // namespace pgcertd
