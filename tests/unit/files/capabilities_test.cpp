// The daemon as its unit runs it: a user of its own with CAP_CHOWN, CAP_FOWNER and CAP_DAC_READ_SEARCH, a server that is
// somebody else. And the same without any of them.
#include <fcntl.h>

#include "files/live_files.hpp"
#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

constexpr std::uint32_t unit_capabilities = 1U << CAP_CHOWN | 1U << CAP_FOWNER | 1U << CAP_DAC_READ_SEARCH;

template <class T>
std::string trouble(std::string_view call, const Result<T>& result) {
  return result ? "" : std::string{call} + ": " + result.error().text();
}

// In the child geteuid() is the daemon's, so the server is named outright.
const ServerIdentity postgres{.uid = other_uid, .gid = other_uid, .groups = {}};

struct AsDaemon : ::testing::Test {
  void SetUp() override {
    (void)pair();
    if (root()) {
      ASSERT_EQ(::chown(state.path().c_str(), daemon_uid, daemon_uid), 0);
    }
  }
  // Without root the tests' own user is a daemon without capabilities already.
  static std::string without_capabilities(const std::function<std::string()>& body) {
    return root() ? in_child_as(daemon_uid, 0, body) : body();
  }
  State state;
};

TEST_F(AsDaemon, TheUnitsCapabilitiesAreEnoughForEachCall) {
  if (!root()) GTEST_SKIP() << "only root can start a child with capabilities";
  EXPECT_EQ(in_child_as(daemon_uid, unit_capabilities, [&] {
    GenerationStore store(state.path(), "main", state.random);
    const auto first = store.stage(content(), 1, postgres, start), second = store.stage(content(), 2, postgres, start);
    if (!first || !second) return trouble("stage", first) + trouble("stage", second);
    if (auto done = store.publish(*first); !done) return trouble("publish", done);
    const auto seen = store.observe();
    if (!seen) return trouble("observe", seen);
    const GenerationSeen* live = seen->live();
    if (live == nullptr || !live->complete) return "not complete: " + (live != nullptr ? live->incomplete_why : std::string{});
    if (judge_key(postgres, live->files[1]) != FileVerdict::ok) return std::string{"the server would refuse the key"};
    for (const FileSeen& parent : seen->parents)
      if (!can_search(postgres, parent)) return "the server may not search " + parent.path;
    if (auto loaded = store.load(*first); !loaded || loaded->key_pem.view() != pair().key_pem)
      return trouble("load", loaded) + " load";
    const std::string key = state.file(*first, "server.key");
    if (::chmod(key.c_str(), 0644) != 0 || ::chown(key.c_str(), daemon_uid, daemon_uid) != 0)
      return std::string{"could not spoil the key"};
    if (auto done = store.repair(*first, FileRole::key, postgres); !done) return trouble("repair", done);
    if (mode_of(key) != 0600 || stat_of(key).st_uid != other_uid) return std::string{"not repaired"};
    const UniqueFd wiped(::open(state.file(*second, "server.key").c_str(), O_RDONLY));
    if (auto done = store.remove(*second); !done) return trouble("remove", done);
    return std::string{wiped && all_zero(bytes_of(wiped.get())) ? "" : "the key was not wiped"};
  }), "");
  EXPECT_EQ(stat_of(state.current("server.crt")).st_uid, daemon_uid);
  EXPECT_EQ(stat_of(state.cluster()).st_gid, other_uid);
  // The server's own user reads its files and no more.
  EXPECT_EQ(in_child_as(other_uid, 0,
                        [&]() -> std::string {
                          const bool reads = slurp(state.current("server.key")) == pair().key_pem &&
                                             slurp(state.current("server.crt")) == pair().certificate_pem;
                          const bool writes = ::rename(state.current("server.crt").c_str(), state.current("x").c_str()) == 0;
                          return reads && !writes ? "" : "reads or writes";
                        }),
            "");
  EXPECT_EQ(in_child_as(daemon_uid + 10, 0,
                        [&]() -> std::string { return exists(state.current("server.crt")) ? "a stranger passes" : ""; }),
            "");
}

TEST_F(AsDaemon, WithoutCapabilitiesItIsSaidAndNothingIsLeft) {
  EXPECT_EQ(without_capabilities([&]() -> std::string {
    GenerationStore store(state.path(), "main", state.random);
    const auto failed = store.stage(content(), 1, postgres, start);
    if (failed || failed.error().code != Errc::permission || failed.error().remedy.empty())
      return trouble("stage", failed) + " stage";
    return entries(state.cluster() + "/generations").empty() ? "" : "something is left";
  }), "");
}

TEST_F(AsDaemon, AKeyThatMayNotBeReadSpoilsNothingElse) {
  std::string id;
  {
    GenerationStore maker(state.path(), "main", state.random);
    id = maker.stage(content(), 1, server(), start).value();
    if (root())
      for (const std::string& path :
           {state.path() + "/clusters", state.cluster(), state.cluster() + "/generations", state.file(id, "")})
        ASSERT_EQ(::chown(path.c_str(), daemon_uid, static_cast<gid_t>(-1)), 0);
    else ::chmod(state.file(id, "server.key").c_str(), 0);
  }
  const bool foreign = root();
  EXPECT_EQ(without_capabilities([&]() -> std::string {
    GenerationStore store(state.path(), "main", state.random);
    const auto seen = store.observe();
    if (!seen || seen->all.size() != 1) return trouble("observe", seen) + " observe";
    const GenerationSeen& one = seen->all.front();
    if (!one.key_denied || one.complete || one.chain.empty() || one.number != 1) return "wrongly seen: " + one.incomplete_why;
    if (one.incomplete_why.find("Permission denied") == std::string::npos) return "no reason: " + one.incomplete_why;
    if (!foreign) {                                      // its own file with a wrong mode is no obstacle
      const auto done = store.repair(id, FileRole::key, server());
      return done && store.observe()->all.front().complete ? "" : trouble("repair", done) + " not repaired";
    }
    const auto repaired = store.repair(id, FileRole::key, {daemon_uid, daemon_uid, {}});
    if (repaired || repaired.error().remedy.empty()) return trouble("repair", repaired) + " repair";
    // It cannot be overwritten, but it is gone: the next look must not stand still over it.
    const auto removed = store.remove(id);
    if (removed || removed.error().code != Errc::permission) return trouble("remove", removed) + " remove";
    return store.remove(id) && store.observe()->all.empty() ? "" : "still there";
  }), "");
}

TEST_F(AsDaemon, ADirectoryOfAnotherUserIsRefused) {
  if (!root()) GTEST_SKIP() << "only root can give a directory to another user";
  std::filesystem::create_directories(state.cluster());
  ASSERT_EQ(::chown(state.cluster().c_str(), other_uid, other_uid), 0);
  EXPECT_EQ(in_child_as(daemon_uid, unit_capabilities, [&]() -> std::string {
    GenerationStore store(state.path(), "main", state.random);
    const auto seen = store.observe();
    return !seen && seen.error().code == Errc::refused && !seen.error().remedy.empty() ? "" : trouble("observe", seen) + " observe";
  }), "");
}

// A superuser of the database names the key of another service: we could read it, the server could not.
TEST_F(AsDaemon, AKeyThatTheServerMayNotReadIsNotCopiedForIt) {
  const std::string cert = state.path() + "/web.crt", key = state.path() + "/web.key";
  spit(cert, pair().certificate_pem);
  spit(key, pair().key_pem);
  ::chmod(cert.c_str(), 0644);
  const auto read = [&]() -> std::string {
    // STATE is another one here.
    LiveFileReader reader({.state_directory = "/nowhere", .cluster_directory = "/nowhere/clusters/main"}, [] { return postgres; });
    const auto got = reader.read_pair(cert, key);
    return got                                                                         ? "read"
           : got.error().code == Errc::refused || got.error().code == Errc::permission ? "refused"
                                                                                       : trouble("read_pair", got);
  };
  ::chmod(key.c_str(), 0600);
  if (!root()) {
    EXPECT_EQ(read(), "refused");                        // ours, not the server's
    return;
  }
  struct Row {
    uid_t owner;
    mode_t mode;
    const char* expected;
  };
  for (const Row& row : {Row{0, 0600, "refused"}, Row{0, 0640, "refused"}, Row{daemon_uid, 0600, "refused"},
                         Row{other_uid, 0644, "refused"}, Row{other_uid, 0600, "read"}}) {
    ASSERT_EQ(::chown(key.c_str(), row.owner, 0), 0);
    ::chmod(key.c_str(), row.mode);
    EXPECT_EQ(in_child_as(daemon_uid, unit_capabilities, read), row.expected) << row.owner << " " << row.mode;
  }
  // Its own key behind a directory that it may not pass.
  ::chmod(state.path().c_str(), 0700);
  EXPECT_EQ(in_child_as(daemon_uid, unit_capabilities, read), "refused");
}

}  // namespace
}  // namespace pgcertd::files
