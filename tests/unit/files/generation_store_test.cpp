#include "files/generation_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include "files/manifest.hpp"
#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

void give(const std::string& path, uid_t to) { EXPECT_EQ(::chown(path.c_str(), to, to), 0); }

struct Cluster : ::testing::Test {
  State state;
  GenerationStore store{state.path(), "main", state.random};

  std::string stage(std::uint64_t number = 1, const Pair& from = pair()) {
    auto id = store.stage(content(from), number, server(), start);
    EXPECT_TRUE(ok(id));
    return id.value_or("");
  }
  GenerationsSeen look() {
    auto seen = store.observe();
    EXPECT_TRUE(ok(seen));
    return seen ? std::move(*seen) : GenerationsSeen{};
  }
  GenerationSeen only() {
    const auto seen = look();
    EXPECT_EQ(seen.all.size(), 1U);
    return seen.all.empty() ? GenerationSeen{} : seen.all.front();
  }
};

TEST_F(Cluster, DirectoriesAreMadeForTheServerToPassThrough) {
  const auto seen = look();
  EXPECT_EQ(seen.directory, state.cluster());
  EXPECT_TRUE(seen.all.empty() && seen.current.empty() && seen.way_back.empty());
  EXPECT_EQ(mode_of(state.path() + "/clusters"), 0711);
  EXPECT_EQ(mode_of(state.cluster()), 0750);
  stage();
  for (const std::string& path : {state.cluster(), state.cluster() + "/generations"}) {
    EXPECT_EQ(mode_of(path), 0750);
    EXPECT_EQ(stat_of(path).st_gid, server().gid);
    EXPECT_EQ(stat_of(path).st_uid, ::geteuid());
  }
  const auto parents = look().parents;
  EXPECT_EQ(parents.front().path, "/");
  EXPECT_EQ(parents.back().path, state.cluster() + "/generations");
  for (const FileSeen& parent : parents) EXPECT_TRUE(can_search(server(), parent)) << parent.path;
}

TEST_F(Cluster, AStagedGenerationIsWholeAndTheServersOwn) {
  const std::string id = stage(7);
  EXPECT_EQ(id, "20260101T000000Z-00000000");
  const GenerationSeen seen = only();
  EXPECT_TRUE(seen.complete) << seen.incomplete_why;
  EXPECT_EQ(seen.id, id);
  EXPECT_EQ(seen.number, 7U);
  EXPECT_EQ(seen.created, start);
  EXPECT_EQ(seen.key_spki_sha256, pair().spki);
  ASSERT_EQ(seen.chain.size(), 1U);
  EXPECT_EQ(seen.chain.front().spki_sha256, pair().spki);
  ASSERT_EQ(seen.files.size(), 3U);                     // no CRL: none named
  EXPECT_EQ(seen.files[1].path, state.file(id, "server.key"));
  EXPECT_EQ(judge_key(server(), seen.files[1]), FileVerdict::ok);
  EXPECT_EQ(seen.files[1].mode, 0600U);
  EXPECT_EQ(seen.files[1].uid, server().uid);
  EXPECT_EQ(judge_public(server(), seen.files[0]), FileVerdict::ok);
  EXPECT_EQ(seen.files[0].uid, ::geteuid());            // the server need not be able to change it
  EXPECT_EQ(stat_of(state.file(id, "")).st_mode & 07777U, 0750U);
  EXPECT_EQ(slurp(state.file(id, "manifest.json")).find(sha256_hex(pair().key_pem)), std::string::npos);
}

TEST_F(Cluster, PublishWayBackAndLoad) {
  const std::string first = stage(1);
  const Pair second_pair = make_pair();
  auto second_content = content(second_pair, Origin::rolled_back);
  second_content.crl_pem = "any bytes";
  const auto second = store.stage(second_content, 2, server(), start);
  ASSERT_TRUE(ok(second));
  EXPECT_EQ(store.publish_way_back().error().code, Errc::not_found);
  ASSERT_TRUE(ok(store.publish(first)));
  ASSERT_TRUE(ok(store.publish(first)));                // once more does no harm
  ASSERT_TRUE(ok(store.prepare_way_back(first)));
  ASSERT_TRUE(ok(store.publish(*second)));
  auto seen = look();
  EXPECT_EQ(seen.current, *second);
  EXPECT_EQ(seen.way_back, first);
  EXPECT_EQ(slurp(state.current("server.key")), second_pair.key_pem);
  ASSERT_TRUE(ok(store.publish_way_back()));
  seen = look();
  EXPECT_EQ(seen.current, first);
  EXPECT_EQ(seen.way_back, "");
  EXPECT_EQ(slurp(state.current("server.crt")), pair().certificate_pem);

  const auto loaded = store.load(*second);
  ASSERT_TRUE(ok(loaded));
  EXPECT_EQ(loaded->chain_pem, second_pair.certificate_pem);
  EXPECT_EQ(loaded->key_pem.view(), second_pair.key_pem);
  EXPECT_EQ(loaded->root_pem, second_pair.certificate_pem);
  EXPECT_EQ(loaded->crl_pem, "any bytes");
  EXPECT_EQ(loaded->origin, Origin::rolled_back);
}

TEST_F(Cluster, OldestFirstIsByNumberWhateverTheClockDid) {
  const auto late = store.stage(content(), 1, server(), start + std::chrono::hours(24));
  const auto early = store.stage(content(), 2, server(), start);
  const auto seen = look();
  ASSERT_EQ(seen.all.size(), 2U);
  EXPECT_EQ(seen.all[0].id, *late);
  EXPECT_EQ(seen.all[1].id, *early);
}

TEST_F(Cluster, RemovalWipesTheKeyAndSparesTheCurrentOne) {
  const std::string live = stage(1), old = stage(2);
  ASSERT_TRUE(ok(store.publish(live)));
  ASSERT_TRUE(ok(store.prepare_way_back(old)));
  EXPECT_EQ(store.remove(live).error().code, Errc::refused);
  const UniqueFd key(::open(state.file(old, "server.key").c_str(), O_RDONLY));
  ASSERT_TRUE(key);
  spit(state.file(old, "left-by-somebody"), "x");
  ASSERT_TRUE(ok(store.remove(old)));
  EXPECT_TRUE(all_zero(bytes_of(key.get())));
  EXPECT_EQ(bytes_of(key.get()).size(), pair().key_pem.size());
  EXPECT_FALSE(exists(state.file(old, "")));
  EXPECT_FALSE(exists(state.cluster() + "/way-back"));
  EXPECT_TRUE(ok(store.remove(old)));                   // gone already
  EXPECT_EQ(look().all.size(), 1U);

  const std::string half = stage(3);
  std::filesystem::remove(state.file(half, "server.key"));
  std::filesystem::remove(state.file(half, "manifest.json"));
  EXPECT_FALSE(look().all.front().complete);            // unnumbered: sorts first
  EXPECT_TRUE(ok(store.remove(half)));
}

// As few descriptors as it gets: a generation is told as it is or not at all, and whole again as soon as there is one more.
TEST_F(Cluster, AShortageOfDescriptorsIsNoDamage) {
  const std::string id = stage(1);
  ASSERT_TRUE(ok(store.publish(id)));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const auto lowest = static_cast<rlim_t>(UniqueFd(::open("/dev/null", O_RDONLY)).get());
  int failures = 0;
  for (rlim_t spare = 0; spare < 12; ++spare) {
    GenerationStore fresh(state.path(), "main", state.random);
    const rlimit few{lowest + spare, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto seen = fresh.observe();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    failures += seen ? 0 : 1;
    if (seen) {
      EXPECT_TRUE(seen->find(id) != nullptr && seen->find(id)->complete) << spare << " to spare";
    }
    const auto healed = fresh.observe();
    ASSERT_TRUE(ok(healed));
    EXPECT_TRUE(healed->find(id)->complete) << spare << " to spare";
  }
  EXPECT_GE(failures, 3);
}

TEST_F(Cluster, AStretchedKeyCostsNoTimeToWipe) {
  const std::string id = stage();
  const UniqueFd key(::open(state.file(id, "server.key").c_str(), O_RDWR));
  ASSERT_EQ(::ftruncate(key.get(), off_t{1} << 40), 0);   // sparse; its owner may do that
  EXPECT_FALSE(only().complete);
  ASSERT_TRUE(ok(store.remove(id)));
  struct stat seen {};
  ASSERT_EQ(::fstat(key.get(), &seen), 0);
  EXPECT_LT(seen.st_blocks, 1024);
  std::string bytes(pair().key_pem.size(), '?');
  ASSERT_EQ(::pread(key.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(all_zero(bytes));
}

TEST_F(Cluster, RemovalNeverWritesThroughALink) {
  ScratchDir elsewhere;
  for (const bool hard : {false, true}) {
    const std::string id = stage(1), victim = elsewhere / (hard ? "hard" : "soft"), key = state.file(id, "server.key");
    spit(victim, "somebody's");
    std::filesystem::remove(key);
    if (hard) std::filesystem::create_hard_link(victim, key);
    else std::filesystem::create_symlink(victim, key);
    const auto seen = only();
    EXPECT_FALSE(seen.complete);
    EXPECT_EQ(seen.key_spki_sha256, "");
    EXPECT_EQ(store.repair(id, FileRole::key, server()).error().code, Errc::refused);
    EXPECT_TRUE(ok(store.remove(id)));
    EXPECT_EQ(slurp(victim), "somebody's");
    EXPECT_EQ(stat_of(victim).st_uid, ::geteuid());
  }
}

TEST_F(Cluster, RepairPutsOwnerAndModeRight) {
  const std::string id = stage();
  ::chmod(state.file(id, "server.key").c_str(), 0644);
  ::chmod(state.file(id, "server.crt").c_str(), 0600);
  ::chmod(state.cluster().c_str(), 0700);
  if (root()) give(state.file(id, "server.key"), 0);
  EXPECT_TRUE(only().complete);                          // mode and owner are judged elsewhere
  ASSERT_TRUE(ok(store.repair(id, FileRole::key, server())));
  ASSERT_TRUE(ok(store.repair(id, FileRole::certificate, server())));
  const auto seen = only();
  for (const FileSeen& file : seen.files)
    EXPECT_EQ(file.path.ends_with(".key") ? judge_key(server(), file) : judge_public(server(), file), FileVerdict::ok) << file.path;
  EXPECT_EQ(mode_of(state.file(id, "server.key")), 0600);
  EXPECT_EQ(mode_of(state.file(id, "server.crt")), 0644);
  EXPECT_EQ(mode_of(state.cluster()), 0750);
  EXPECT_EQ(store.repair(id, FileRole::crl, server()).error().code, Errc::not_found);
}

TEST_F(Cluster, EachForeignChangeIsSeenAndNamed) {
  struct Row {
    const char* name;
    std::function<void(const std::string&)> change;
    const char* why;
  };
  const Pair stranger = make_pair();
  const std::vector<Row> rows{
      {"manifest.json", [](const std::string& path) { std::filesystem::remove(path); }, "manifest.json is missing"},
      {"manifest.json", [](const std::string& path) { spit(path, "{}"); }, "no manifest"},
      {"manifest.json", [](const std::string& path) { spit(path, "\xff\xfe["); }, "no manifest"},
      {"server.crt", [](const std::string& path) { std::filesystem::remove(path); }, "server.crt is missing"},
      {"server.crt", [&](const std::string& path) { spit(path, stranger.certificate_pem); }, "server.crt is not as it was written"},
      {"server.crt", [](const std::string& path) { spit(path, std::string(2U << 20U, 'x')); }, "more than the"},
      {"root.crt", [](const std::string& path) { spit(path, "\n"); }, "root.crt is not as it was written"},
      {"root.crt", [](const std::string& path) { std::filesystem::remove(path), ::mkfifo(path.c_str(), 0600); },
       "root.crt is no regular file"},
      {"server.key", [](const std::string& path) { std::filesystem::remove(path); }, "server.key is missing"},
      {"server.key", [&](const std::string& path) { spit(path, stranger.key_pem); }, "server.key is another key"},
      {"server.key", [](const std::string& path) { spit(path, ""); }, "server.key"},
      {"server.key", [](const std::string& path) { std::filesystem::remove(path), ::mkfifo(path.c_str(), 0600); },
       "server.key is no regular file"},
      {"server.key", [](const std::string& path) { std::filesystem::create_hard_link(path, path + ".copy"); },
       "server.key has 2 links"},
  };
  for (const Row& row : rows) {
    const std::string id = stage();
    EXPECT_TRUE(only().complete);
    EXPECT_TRUE(only().complete);                        // twice: now it is remembered
    row.change(state.file(id, row.name));
    const auto seen = only();
    EXPECT_FALSE(seen.complete) << row.why;
    EXPECT_NE(seen.incomplete_why.find(row.why), std::string::npos) << row.why << " / " << seen.incomplete_why;
    EXPECT_FALSE(seen.key_denied);
    EXPECT_TRUE(ok(store.remove(id)));
  }
}

TEST_F(Cluster, AnIdleLookReadsNothing) {
  stage(1);
  stage(2);
  const auto first = look();
  (void)look();
  const auto read = store.contents_read();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(look(), first);
  EXPECT_EQ(store.contents_read(), read);
  ::chmod(state.file(first.all[0].id, "server.crt").c_str(), 0640);
  EXPECT_EQ(look().all[0].files[0].mode, 0640U);
  EXPECT_EQ(store.contents_read(), read + 1);            // of the one that changed
}

TEST_F(Cluster, LeftoversOfACrashAreWipedAndStrangersAreIgnored) {
  const std::string id = stage(), generations = state.cluster() + "/generations", left = generations + "/.tmp-20250101T000000Z-00";
  std::filesystem::create_directory(left);
  spit(left + "/server.key", "a half written key");
  ::chmod((left + "/server.key").c_str(), 0600);
  if (root()) give(left + "/server.key", other_uid);
  const UniqueFd key(::open((left + "/server.key").c_str(), O_RDONLY));
  std::filesystem::create_directory(generations + "/lost+found");
  spit(generations + "/note", "x");
  EXPECT_EQ(only().id, id);
  EXPECT_FALSE(exists(left));
  EXPECT_TRUE(all_zero(bytes_of(key.get())));
  EXPECT_TRUE(exists(generations + "/note"));

  // A half made link, and links that lead out of the store.
  ASSERT_TRUE(ok(store.publish(id)));
  std::filesystem::create_symlink("generations/nowhere", state.cluster() + "/.current-new");
  ASSERT_TRUE(ok(store.publish(id)));
  for (const char* target : {"/etc", "generations/../../other", "generations/.tmp-x", "generations/"}) {
    std::filesystem::remove(state.cluster() + "/current");
    std::filesystem::create_symlink(target, state.cluster() + "/current");
    EXPECT_EQ(look().current, "") << target;
  }
  ASSERT_TRUE(ok(store.publish(id)));
  EXPECT_EQ(look().current, id);
}

TEST_F(Cluster, WhatCannotBePublishedIsRefused) {
  const std::string id = stage();
  for (const char* hostile : {"", "..", "../../pending", "20260101T000000Z-", "20260101T000000Z-zz", "20260101T000000Z-00/..",
                              ".tmp-20260101T000000Z-00"}) {
    EXPECT_EQ(store.publish(hostile).error().code, Errc::invalid) << hostile;
    EXPECT_EQ(store.remove(hostile).error().code, Errc::invalid) << hostile;
    EXPECT_EQ(store.load(hostile).error().code, Errc::invalid) << hostile;
    EXPECT_EQ(store.repair(hostile, FileRole::key, server()).error().code, Errc::invalid) << hostile;
  }
  EXPECT_EQ(store.publish("20260101T000000Z-ffffffff").error().code, Errc::not_found);
  std::filesystem::remove(state.file(id, "manifest.json"));
  EXPECT_EQ(store.publish(id).error().code, Errc::not_found);
  EXPECT_EQ(store.prepare_way_back(id).error().code, Errc::not_found);

  EXPECT_EQ(store.stage(content(), 1, {static_cast<uid_t>(-1), 0, {}}, start).error().code, Errc::invalid);
  auto empty = content();
  empty.chain_pem.clear();
  EXPECT_EQ(store.stage(empty, 1, server(), start).error().code, Errc::invalid);
  auto keyless = content();
  keyless.key_pem = Secret("no key");
  EXPECT_EQ(store.stage(keyless, 1, server(), start).error().code, Errc::parse);
  EXPECT_EQ(look().all.size(), 1U);
}

TEST(GenerationStore, AStateDirectoryThatIsMissingOrNotOurs) {
  State state;
  GenerationStore missing(state.path() + "/nothing", "main", state.random);
  const auto seen = missing.observe();
  ASSERT_FALSE(seen);
  EXPECT_EQ(seen.error().code, Errc::not_found);
  EXPECT_NE(seen.error().remedy, "");

  ScratchDir elsewhere;
  std::filesystem::create_directory_symlink(elsewhere.path(), state.path() + "/clusters");
  GenerationStore linked(state.path(), "main", state.random);
  EXPECT_FALSE(linked.observe());
  EXPECT_TRUE(entries(elsewhere.path()).empty());
}

TEST(GenerationStore, ADirectoryThatIsRemovedUnderItIsMadeAgain) {
  State state;
  GenerationStore store(state.path(), "main", state.random);
  ASSERT_TRUE(ok(store.stage(content(), 1, server(), start)));
  ASSERT_TRUE(ok(store.observe()));
  std::filesystem::remove_all(state.path() + "/clusters");
  const auto seen = store.observe();
  ASSERT_TRUE(ok(seen));
  EXPECT_TRUE(seen->all.empty());
  EXPECT_TRUE(ok(store.stage(content(), 2, server(), start)));
}

}  // namespace
}  // namespace pgcertd::files
