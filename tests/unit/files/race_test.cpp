// The confused deputy: PostgreSQL's own user owns the directory that a setting names, and swaps what stands there while pgcertd
// looks, reads and links. Nothing foreign may be read out, changed or given away.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "files/in_place.hpp"
#include "files/live_files.hpp"
#include "unit/files/material.hpp"

namespace pgcertd::files::race_tests {   // of its own: a unity build puts all tests into one unit
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr int least_swaps = 1000;

// A file of somebody else, with what would betray that it was read: a pair of its own.
struct Treasure {
  std::string path, content;
  struct stat before {};
  void keep(const std::string& where, const std::string& bytes) {
    path = where, content = bytes;
    spit(path, content);
    ::chmod(path.c_str(), 0600);
    ASSERT_EQ(::stat(path.c_str(), &before), 0);
  }
  void expect_untouched() const {
    struct stat after {};
    ASSERT_EQ(::stat(path.c_str(), &after), 0) << path;
    EXPECT_EQ(slurp(path), content) << path;
    EXPECT_EQ(after.st_ino, before.st_ino) << path;
    EXPECT_EQ(after.st_mode, before.st_mode) << path;
    EXPECT_EQ(after.st_uid, before.st_uid) << path;
    EXPECT_EQ(after.st_gid, before.st_gid) << path;
    EXPECT_EQ(after.st_mtim.tv_sec, before.st_mtim.tv_sec) << path;
  }
};

struct Race : ::testing::Test {
  ScratchDir data, state, ca, elsewhere;
  ServerIdentity server{.uid = other_uid, .gid = other_uid, .groups = {}};
  Treasure shadow, ca_key;
  std::string good_cert = data / "good.crt", cert = data / "server.crt", key = data / "server.key";
  std::atomic<int> swaps = 0;
  std::atomic<bool> over = false;

  void SetUp() override {
    if (!root()) GTEST_SKIP() << "a directory of another user needs root";
    const auto foreign = make_pair();
    shadow.keep(elsewhere / "shadow", foreign.certificate_pem + foreign.key_pem);
    ca_key.keep(ca / "ca.key", foreign.certificate_pem + foreign.key_pem);
    ASSERT_EQ(::chown(data.path().c_str(), other_uid, other_uid), 0);
    put(good_cert, pair().certificate_pem);
  }
  static void put(const std::string& path, const std::string& bytes) {
    spit(path, bytes);
    ::chmod(path.c_str(), 0600);
    EXPECT_EQ(::chown(path.c_str(), other_uid, other_uid), 0);
  }

  // One of the things that the server's user may put there, by one rename.
  void swap(int turn, const std::string& path, const std::string& good) {
    const std::string next = path + ".next";
    switch (turn % 6) {
      case 1: fs::create_symlink(shadow.path, next); break;
      case 2: fs::create_symlink(ca_key.path, next); break;
      case 4: EXPECT_EQ(::mkfifo(next.c_str(), 0600), 0); break;
      case 5: EXPECT_EQ(::link(shadow.path.c_str(), next.c_str()), 0); break;
      default: put(next, good);
    }
    if (turn % 6 != 5) {
      EXPECT_EQ(::lchown(next.c_str(), other_uid, other_uid), 0);
    }
    EXPECT_EQ(::rename(next.c_str(), path.c_str()), 0);
    // Renaming one hard link over another of the same file does nothing, and leaves both (rename(2)).
    std::error_code gone;
    fs::remove(next, gone);
    ++swaps;
  }
  // Both ends were seen, how ever the threads took turns; or that does not come.
  bool enough(int done, int refused) const { return swaps >= 2 * least_swaps && ((done > 0 && refused > 0) || swaps >= 200 * least_swaps); }
  std::thread swapper() {
    return std::thread([this] {
      for (int turn = 0; !over || turn < least_swaps; ++turn) {
        swap(turn, key, pair().key_pem);
        swap(turn + 1, cert, pair().certificate_pem);
      }
    });
  }
  void TearDown() override {
    if (!root()) return;
    shadow.expect_untouched();
    ca_key.expect_untouched();
  }
};

TEST_F(Race, NothingForeignIsReadOut) {
  LiveFileReader reader({.state_directory = state.path(), .cluster_directory = state / "clusters/main", .ca_directories = {ca.path()}, .snakeoil_certificate = {}},
                        [this] { return server; });
  std::thread attacker = swapper();
  int good = 0, refused = 0;
  while (!enough(good, refused)) {
    const auto got = reader.read_pair(good_cert, key);
    (got ? good : refused) += 1;
    EXPECT_TRUE(!got || got->key_pem.view() == pair().key_pem);
    const auto both = reader.read_pair(cert, key);
    EXPECT_TRUE(!both || (both->chain_pem == pair().certificate_pem && both->key_pem.view() == pair().key_pem));
    const auto seen = reader.read_certificate(cert, key);
    EXPECT_TRUE(!seen || seen->chain_pem == pair().certificate_pem);
    const auto bytes = reader.read_public(cert, server);
    EXPECT_TRUE(!bytes || *bytes == pair().certificate_pem);
    (void)reader.look(key);
  }
  over = true;
  attacker.join();
  EXPECT_GT(refused, 0) << "the race was none";
}

TEST_F(Race, NoLinkGivesAnythingAway) {
  PostgresSeen seen;
  seen.data_directory = data.path(), seen.config_file = data / "postgresql.conf", seen.server_uid = other_uid, seen.server_gid = other_uid;
  InPlaceLinks links({.cluster_directory = state / "clusters/main", .forbidden = {state.path(), ca.path()}, .allowed_directories = {}});
  std::thread attacker = swapper();
  int made = 0, refused = 0;
  while (!enough(made, refused)) {
    (void)links.observe(cert, key, seen);
    for (const auto& [path, role] : {std::pair{key, FileRole::key}, std::pair{cert, FileRole::certificate}}) {
      const auto linked = links.link(path, role, seen);
      (linked ? made : refused) += 1;
    }
  }
  over = true;
  attacker.join();
  EXPECT_GT(refused, 0) << "the race was none";
  for (const auto& entry : fs::directory_iterator(data.path())) {
    struct stat found {};
    ASSERT_EQ(::lstat(entry.path().c_str(), &found), 0);
    if (!S_ISREG(found.st_mode)) continue;
    const bool attackers_own = found.st_ino == shadow.before.st_ino;   // its hard link shows it nothing new
    EXPECT_TRUE(attackers_own || slurp(entry.path()) != shadow.content) << entry.path();
  }
}

}  // namespace
}  // namespace pgcertd::files::race_tests
