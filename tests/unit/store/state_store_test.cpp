#include "store/state_store.hpp"

#include <gtest/gtest.h>

#include "store/memory_rows.hpp"
#include "unit/support/scratch_dir.hpp"

namespace pgcertd::store {
namespace {

using test::ScratchDir;

TimePoint second(std::int64_t ms) { return TimePoint{Duration{ms}}; }

PostgresSeen full_server() {
  PostgresSeen server;
  server.fault = ServerFault::none;
  server.fault_text = "all is \"well\"\n";
  server.known = true;
  server.version_num = 150018;
  server.version = "15.18";
  server.system_identifier = "7300000000000000001";
  server.data_directory = "/var/lib/postgresql/15/main";
  server.config_file = "/etc/postgresql/15/main/postgresql.conf";
  server.port = 65535;
  server.listen_addresses = {"*", "::1"};
  server.settings = {{"ssl", {"on", "configuration file", "/etc/x", 12, true}}, {"ssl_ca_file", {"", "default", "", 0, false}}};
  server.auto_conf = {{"ssl_cert_file", "'it''s.crt'"}};
  server.in_recovery = true;
  server.privileges = {
      .read_all_settings = true, .reload = true, .alter_system = true, .read_file_settings = true, .superuser = true};
  server.postmaster_start = second(1);
  server.config_loaded = second(-1);
  server.server_user = "postgres";
  server.server_uid = 113;
  server.server_gid = 4294967294;
  return server;
}

ClusterMemory full_memory() {
  ClusterMemory m;
  m.generation_number = UINT64_MAX;
  m.proved = {{"gen-1", "aa", second(10)}, {"gen-2", "bb", second(20)}};
  m.publish = PublishAttempt{"gen-3", "gen-2", second(30), 2, second(31), second(32)};
  m.refused = {{"cc", std::string("umlaut \xc3\xa4, NUL \0 and more", 25), second(40)}};
  m.last_failure = Failure{"verify", "another leaf", "look", true, second(50)};
  m.consecutive_failures = 4;
  m.retry_at = second(60);
  m.rotate_asked_at = second(70);
  m.takeover = TakeoverGrant{"dd", second(80)};
  m.pause = Pause{second(90), "audit"};
  m.server = full_server();
  m.original_auto_conf.emplace();
  (*m.original_auto_conf)["ssl"] = "on";
  (*m.original_auto_conf)["ssl_key_file"] = std::nullopt;
  (*m.original_auto_conf)["ssl_ca_file"] = "";
  m.original_ssl_on = true;
  m.names_at_first_issue = {{"db1.example.org"}, {"10.0.0.5", "::1"}};
  m.problems = {{ProblemCode::served_stale, "127.0.0.1:5432", second(100)}, {ProblemCode::log_broken, "", second(101)}};
  m.rotations_proved = 11;
  m.rotations_failed = 12;
  m.rotations_rolled_back = 13;
  m.stage_failures = {{"reload", 3}, {"verify", 1}};
  m.reloads = {{"sql applied", 14}, {"signal error", 16}};
  m.stages_passed = {{"keygen", TimePoint{Duration{5}}}, {"sign", TimePoint{Duration{6}}}};
  m.rotations_by_duration = {1, 2, 0, 0, 3};
  m.rotations_took = Duration{12'345};
  m.repairs_ever = {{"server.key", 17}};
  m.foreign_changes = {{"server.crt", 18}};
  m.last_attempt_at = second(110);
  m.last_success_at = no_expiry;
  m.last_rotation_took = Duration{1234};
  m.restart = RestartAttempt{"ab12", from_unix(1'700'000'000), from_unix(1'700'000'100), 2, "systemd"};
  m.restarts = {{"systemd applied", 1}, {"pg_ctl not_applied", 2}};
  m.saved_at = from_unix(1'700'000'200);
  m.repairs = {{"server.key", "0644 26:26", second(120)}, {"server.crt", "0600 1:1", second(121)}};
  m.exposed_keys = {{"dd", "0644 26:26", second(122)}};
  return m;
}

std::unique_ptr<StateStore> open(const std::string& path) {
  auto store = StateStore::open(path);
  EXPECT_TRUE(store) << store.error().text();
  return store ? std::move(*store) : nullptr;
}

void change(const std::string& path, const std::string& sql) {
  DatabaseOptions options;
  auto database = Database::open(path, options);
  ASSERT_TRUE(database);
  const auto done = database->execute(sql);
  ASSERT_TRUE(done) << done.error().text();
}

TEST(StateStore, EveryFieldOfAMemoryComesBack) {
  ScratchDir dir;
  const ClusterMemory full = full_memory();
  { ASSERT_TRUE(open(dir / "s.db")->save("main", full, {})); }
  auto store = open(dir / "s.db");
  EXPECT_EQ(store->load("main").value(), full);
  EXPECT_EQ(store->load("other").value(), ClusterMemory{});
  // Every row of it is needed: without any one of them something else comes back, or nothing does.
  const MemoryRows rows = to_rows(full);
  for (const auto& [key, value] : rows.rows) {
    auto fewer = rows.rows;
    fewer.erase(key);
    const auto read = from_rows(fewer);
    EXPECT_FALSE(read && *read == full && value != "0" && !value.empty()) << key;
  }
}

TEST(StateStore, WhatIsClearedIsGone) {
  ScratchDir dir;
  auto store = open(dir / "s.db");
  ASSERT_TRUE(store->save("main", full_memory(), {}));
  ASSERT_TRUE(store->save("other", full_memory(), {}));
  ClusterMemory less = full_memory();
  less.proved.pop_back();
  less.publish.reset();
  less.server->settings.erase("ssl");
  less.stage_failures.clear();
  ASSERT_TRUE(store->save("main", less, {}));
  EXPECT_EQ(store->load("main").value(), less);
  ASSERT_TRUE(store->save("main", ClusterMemory{}, {}));
  EXPECT_EQ(store->load("main").value(), ClusterMemory{});
  EXPECT_EQ(store->load("other").value(), full_memory());
}

TEST(StateStore, RowsOfANewerVersionAreKeptAndPassedOver) {
  ScratchDir dir;
  const std::string path = dir / "s.db";
  { ASSERT_TRUE(open(path)->save("main", full_memory(), {})); }
  change(path,
         "INSERT INTO memory VALUES ('main', 'novelty', 'x'), ('main', 'novelties.0.at', '1'), ('main', 'pause.by', 'uid 0');"
         "UPDATE memory SET value = 'a-code-of-tomorrow' WHERE key = 'problems.0.code'");
  {
    auto store = open(path);
    ClusterMemory expected = full_memory();
    expected.problems.erase(expected.problems.begin());
    EXPECT_EQ(store->load("main").value(), expected);
    ASSERT_TRUE(store->save("main", expected, {}));
  }
  DatabaseOptions options;
  auto database = Database::open(path, options);
  auto query = database->prepare("SELECT group_concat(key) FROM (SELECT key FROM memory WHERE key LIKE 'novel%' ORDER BY key)");
  ASSERT_TRUE(query && query->step());
  EXPECT_EQ(query->text(0), "novelties.0.at,novelty");
}

TEST(StateStore, AnImpossibleValueIsNamed) {
  const std::pair<const char*, const char*> rows[] = {
      {"generation_number", "-1"}, {"generation_number", "12x"}, {"generation_number", ""},     {"proved#", "99999999"},
      {"proved.0.at", "soon"},     {"original_ssl_on", "yes"},   {"server.port", "65536"},      {"proved#", "-1"},
      {"last_rotation_took", "1e3"},
  };
  for (const auto& [key, value] : rows) {
    auto damaged = to_rows(full_memory()).rows;
    damaged[key] = value;
    const auto read = from_rows(damaged);
    ASSERT_FALSE(read) << key;
    EXPECT_EQ(read.error().code, Errc::parse);
    EXPECT_NE(read.error().what.find(key), std::string::npos) << read.error().what;
    EXPECT_NE(read.error().remedy, "");
  }
}

Event event(std::int64_t when, const std::string& kind) {
  return {.id = 0,
          .at = second(when),
          .cluster = "main",
          .kind = kind,
          .message = "m " + kind,
          .fields = {{"serial", "0a"}, {"empty", ""}}};
}

TEST(StateStore, EventsAreNumberedListedAndPruned) {
  ScratchDir dir;
  auto store = open(dir / "s.db");
  Event bare{.id = 99, .at = second(2), .cluster = "", .kind = "two", .message = "", .fields = {}};
  ASSERT_TRUE(store->save("main", {}, {event(1, "one"), bare, event(3, "three")}));
  auto all = store->events(0, 100).value();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].id, 1);
  bare.id = 2;
  EXPECT_EQ(all[1], bare) << "the store gives the number";
  EXPECT_EQ(all[2].fields.at("serial"), "0a");
  EXPECT_EQ(store->events(1, 1).value().front().kind, "two");
  EXPECT_TRUE(store->events(3, 5).value().empty());
  EXPECT_TRUE(store->events(0, 0).value().empty());
  EXPECT_EQ(store->newest_event().value(), 3);

  ASSERT_TRUE(store->prune(second(4), 100));
  EXPECT_EQ(store->newest_event().value(), 0);
  EXPECT_TRUE(store->events(0, 100).value().empty());
  ASSERT_TRUE(store->save("main", {}, {event(5, "four")}));
  EXPECT_EQ(store->events(0, 100).value().front().id, 4) << "a number is never given twice";
}

TEST(StateStore, NoMoreEventsAreKeptThanAsked) {
  ScratchDir dir;
  auto store = open(dir / "s.db");
  ASSERT_TRUE(store->save("main", {}, {event(1, "a"), event(2, "b"), event(3, "c")}));
  ASSERT_TRUE(store->prune(second(0), 2));
  EXPECT_EQ(store->events(0, 100).value().front().kind, "b");
  // A clock that was set back leaves no hole.
  ASSERT_TRUE(store->save("main", {}, {event(1, "d"), event(9, "e")}));
  ASSERT_TRUE(store->prune(second(3), 100));
  EXPECT_EQ(store->events(0, 100).value().front().kind, "c");
  EXPECT_EQ(store->events(0, 100).value().size(), 3U);
}

// One that was changed, taken out or put in shows; what was pruned does not.
TEST(StateStore, TheChainOfEventsTellsWhatWasDoneToThem) {
  ScratchDir dir;
  const std::string path = dir / "s.db";
  const auto fresh = [&] {
    std::filesystem::remove(path), std::filesystem::remove(path + "-wal"), std::filesystem::remove(path + "-shm");
    auto store = open(path);
    EXPECT_TRUE(store->save("main", {}, {event(1, "rotation-proved"), event(2, "problem-stands"), event(3, "crl-installed"), event(4, "rotation-proved"), event(5, "key-wiped")}));
    return store;
  };
  auto store = fresh();
  ChainVerdict good = store->verify_chain("").value();
  EXPECT_EQ(good.fault, "");
  EXPECT_EQ(good.chained, 4U);
  EXPECT_EQ(good.head.event, 5);
  EXPECT_EQ(good.head.hash, store->chain_head().value().hash);
  EXPECT_TRUE(store->verify_chain(good.head.hash)->holds_asked);
  EXPECT_FALSE(store->verify_chain("00")->holds_asked);

  for (const auto& [what, sql] : std::map<std::string, std::string>{{"event 3 (crl-installed) does not fit", "UPDATE event SET message = 'nothing' WHERE id = 3"},
                                                                     {"event 4 (rotation-proved) does not fit", "UPDATE event_field SET value = 'ff' WHERE event = 4 AND name = 'serial'"},
                                                                     {"event 3 was taken out", "DELETE FROM event WHERE id = 3"},
                                                                     {"event 4 (rotation-proved) does not fit: ", "DELETE FROM event WHERE id = 3; DELETE FROM event_chain WHERE event = 3"},
                                                                     {"event 5 was taken out", "DELETE FROM event WHERE id = 5"},
                                                                     {"event 6 (key-made) is not in the chain", "INSERT INTO event VALUES (6, 6000, 'main', 'key-made', '')"}}) {
    store = fresh();
    change(path, sql);
    EXPECT_EQ(store->verify_chain("")->fault.substr(0, what.size()), what) << sql;
  }
  store = fresh();
  change(path, "UPDATE event SET message = 'nothing' WHERE id = 2");
  EXPECT_EQ(store->verify_chain("")->fault, "") << "a problem's coming and going is not chained";

  store = fresh();
  const std::string before = store->chain_head()->hash;
  change(path, "DELETE FROM event WHERE id = 5; DELETE FROM event_chain WHERE event = 5");
  EXPECT_EQ(store->verify_chain("")->fault, "") << "an end that was cut off cannot be seen here";
  EXPECT_FALSE(store->verify_chain(before)->holds_asked) << "but by the head that went to the journal";
}

TEST(StateStore, APrunedChainGoesOnFromItsCheckpoint) {
  ScratchDir dir;
  const std::string path = dir / "s.db";
  auto store = open(path);
  ASSERT_TRUE(store->save("main", {}, {event(1, "a"), event(2, "b"), event(3, "c")}));
  const std::string second_hash = [&] {
    auto other = open(dir / "t.db");
    EXPECT_TRUE(other->save("main", {}, {event(1, "a"), event(2, "b")}));
    return other->chain_head()->hash;
  }();
  ASSERT_TRUE(store->prune(second(3), 100));
  ChainVerdict cut = store->verify_chain(second_hash).value();
  EXPECT_EQ(cut.fault, "");
  EXPECT_EQ(cut.chained, 1U);
  EXPECT_EQ(cut.checkpoint.event, 2);
  EXPECT_EQ(cut.checkpoint.hash, second_hash);
  EXPECT_TRUE(cut.holds_asked);
  change(path, "DELETE FROM event; DELETE FROM event_chain");
  EXPECT_EQ(store->verify_chain("")->chained, 0U);
  ASSERT_TRUE(store->append({event(4, "d")}));
  change(path, "UPDATE event_checkpoint SET hash = '00'");
  EXPECT_NE(store->verify_chain("")->fault, "");
  ASSERT_TRUE(store->prune(second(100), 100));
  EXPECT_EQ(store->verify_chain("")->chained, 0U);
}

TEST(StateStore, MemoryAndEventsAreSavedBothOrNeither) {
  ScratchDir dir;
  const std::string path = dir / "s.db";
  auto store = open(path);
  change(path, "CREATE TRIGGER no BEFORE INSERT ON event WHEN NEW.kind = 'bad' BEGIN SELECT RAISE(ABORT, 'disk on fire'); END");
  const auto saved = store->save("main", full_memory(), {event(1, "good"), event(2, "bad")});
  ASSERT_FALSE(saved);
  EXPECT_NE(saved.error().what.find("disk on fire"), std::string::npos);
  EXPECT_EQ(store->load("main").value(), ClusterMemory{});
  EXPECT_TRUE(store->events(0, 9).value().empty());
  EXPECT_TRUE(store->save("main", full_memory(), {event(1, "good")}));
}

TEST(StateStore, ANewerSchemaIsLeftAlone) {
  ScratchDir dir;
  { ASSERT_TRUE(open(dir / "s.db")); }
  change(dir / "s.db", "PRAGMA user_version = 2");
  const auto store = StateStore::open(dir / "s.db");
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::refused);
  EXPECT_NE(store.error().what.find("newer pgcertd"), std::string::npos);
}

TEST(StateStore, TwoWorkersWriteTheirOwn) {
  ScratchDir dir;
  auto one = open(dir / "s.db");
  auto two = open(dir / "s.db");
  ClusterMemory memory;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    memory.generation_number = i;
    ASSERT_TRUE(one->save("one", memory, {event(1, "e")}));
    ASSERT_TRUE(two->save("two", memory, {event(1, "e")}));
  }
  EXPECT_EQ(one->load("two").value().generation_number, 20U);
  EXPECT_EQ(two->events(0, 100).value().size(), 40U);
}

}  // namespace
}  // namespace pgcertd::store
