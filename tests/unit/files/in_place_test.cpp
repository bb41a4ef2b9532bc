// Covers lib/files/in_place.cpp: where a link may be put, what it replaces, and that nothing of others is touched.
#include "files/in_place.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "unit/files/material.hpp"

namespace pgcertd::files::in_place_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace test;
namespace fs = std::filesystem;

struct InPlace : ::testing::Test {
  ScratchDir data, state, elsewhere;
  PostgresSeen seen = server_of(data.path());
  std::string cert = data / "server.crt", key = data / "server.key";

  static PostgresSeen server_of(const std::string& directory) {
    PostgresSeen out;
    out.data_directory = directory, out.config_file = directory + "/postgresql.conf";
    out.server_uid = other_uid, out.server_gid = other_uid;
    return out;
  }
  void SetUp() override {
    if (!root()) GTEST_SKIP() << "a directory of another user needs root";
    ASSERT_EQ(::chown(data.path().c_str(), other_uid, other_uid), 0);
  }
  [[nodiscard]] InPlaceLinks links(std::vector<std::string> allowed = {}) const { return InPlaceLinks({.cluster_directory = state / "clusters/main", .forbidden = {state.path()}, .allowed_directories = std::move(allowed)}); }
  [[nodiscard]] std::string target(const char* name) const { return state / "clusters/main/current/" + name; }
  void expect_refused(const std::string& path, const PostgresSeen& server) const {
    const auto looked = links().observe(path, path, server);
    EXPECT_TRUE(looked && !looked->refused.empty()) << path;
    EXPECT_FALSE(links().link(path, FileRole::certificate, server)) << path;
  }
};

TEST_F(InPlace, WhatIsMissingBecomesALink) {
  EXPECT_EQ(links().observe(cert, key, seen)->certificate.state, InPlacePath::State::missing);
  ASSERT_TRUE(links().link(cert, FileRole::certificate, seen));
  ASSERT_TRUE(links().link(key, FileRole::key, seen));
  EXPECT_EQ(fs::read_symlink(cert), target("server.crt"));
  EXPECT_EQ(fs::read_symlink(key), target("server.key"));
  EXPECT_TRUE(links().observe(cert, key, seen)->linked());
  ASSERT_TRUE(links().link(key, FileRole::key, seen)) << "once more is nothing";
  EXPECT_FALSE(fs::exists(fs::symlink_status(key + ".pgcertd-saved")));
}

TEST_F(InPlace, WhatStoodThereIsKeptBeside) {
  spit(cert, pair().certificate_pem), spit(key, pair().key_pem);
  ::chmod(key.c_str(), 0600);
  EXPECT_EQ(links().observe(cert, key, seen)->key.state, InPlacePath::State::file);
  ASSERT_TRUE(links().link(cert, FileRole::certificate, seen));
  EXPECT_TRUE(links().observe(cert, key, seen)->half_linked());
  ASSERT_TRUE(links().link(key, FileRole::key, seen));
  struct stat kept {};
  ASSERT_EQ(::stat((key + ".pgcertd-saved").c_str(), &kept), 0);
  EXPECT_EQ(kept.st_mode & 07777, 0600U);
  EXPECT_EQ(kept.st_nlink, 1U);
  EXPECT_EQ(slurp(key + ".pgcertd-saved"), pair().key_pem);
}

TEST_F(InPlace, OnlyACertificateOrAKeyMakesWay) {
  for (const auto& [bytes, role] : {std::pair{std::string{"a shopping list"}, FileRole::certificate}, std::pair{std::string{}, FileRole::key}, std::pair{pair().certificate_pem, FileRole::key}, std::pair{pair().key_pem, FileRole::certificate}}) {
    spit(cert, bytes);
    EXPECT_FALSE(links().link(cert, role, seen));
    EXPECT_EQ(slurp(cert), bytes);
    EXPECT_FALSE(fs::exists(cert + ".pgcertd-saved"));
  }
}

TEST_F(InPlace, ALinkOfSomebodyElseIsReplacedAndItsTargetIsNot) {
  const std::string target_file = elsewhere / "secret";
  spit(target_file, "not yours");
  fs::create_symlink(target_file, cert);
  EXPECT_EQ(links().observe(cert, key, seen)->certificate.state, InPlacePath::State::file);
  ASSERT_TRUE(links().link(cert, FileRole::certificate, seen));
  EXPECT_EQ(slurp(target_file), "not yours");
  EXPECT_EQ(fs::read_symlink(cert), target("server.crt"));
  // One that looks like ours but was made by the server's user counts as a file.
  fs::remove(key);
  fs::create_symlink(target("server.key"), key);
  ASSERT_EQ(::lchown(key.c_str(), other_uid, other_uid), 0);
  EXPECT_EQ(links().observe(cert, key, seen)->key.state, InPlacePath::State::file);
}

TEST_F(InPlace, OnlyDirectoriesOfTheServersUserAreItsOwn) {
  expect_refused(elsewhere / "server.crt", seen);
  expect_refused("/etc/ssl/certs/server.crt", seen);
  expect_refused("relative.crt", seen);
  expect_refused("/server.crt", seen);
  expect_refused(data / "", seen);
  // A superuser of the database says that its data lies where somebody else's does.
  expect_refused(elsewhere / "server.crt", server_of(elsewhere.path()));
  PostgresSeen rooted = server_of("/etc");
  rooted.server_uid = 0;
  expect_refused("/etc/server.crt", rooted);
  PostgresSeen unknown = seen;
  unknown.server_uid = static_cast<uid_t>(-1);
  expect_refused(cert, unknown);
  EXPECT_TRUE(links({elsewhere.path()}).link(elsewhere / "server.crt", FileRole::certificate, seen)) << "the configuration names it";
}

TEST_F(InPlace, NothingIsPutWherePgcertdKeepsKeys) {
  const std::string inside = state / "clusters";
  fs::create_directory(inside);
  ASSERT_EQ(::chown(inside.c_str(), other_uid, other_uid), 0);
  expect_refused(inside + "/server.crt", server_of(inside));
  EXPECT_FALSE(links({state.path()}).link(inside + "/server.crt", FileRole::certificate, seen));
}

TEST_F(InPlace, AFifoOrADirectoryIsRefused) {
  ASSERT_EQ(::mkfifo(cert.c_str(), 0600), 0);
  expect_refused(cert, seen);
  fs::create_directory(key);
  expect_refused(key, seen);
}

TEST_F(InPlace, ALinkOfTheServersUserOnTheWayIsNotFollowed) {
  const std::string way = data / "way";
  fs::create_directory_symlink(elsewhere.path(), way);
  ASSERT_EQ(::lchown(way.c_str(), other_uid, other_uid), 0);
  EXPECT_FALSE(links().link(way + "/server.crt", FileRole::certificate, seen));
  EXPECT_TRUE(fs::is_empty(elsewhere.path()));
}

}  // namespace
}  // namespace pgcertd::files::in_place_tests
