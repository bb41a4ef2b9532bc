#include "store/database.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "unit/support/scratch_dir.hpp"

namespace pgcertd::store {
namespace {

using test::ScratchDir;
using Create = DatabaseOptions::Create;
using Journal = DatabaseOptions::Journal;

DatabaseOptions options(Create create, Journal journal = Journal::wal) {
  DatabaseOptions out;
  out.create = create;
  out.journal = journal;
  out.busy_timeout = std::chrono::milliseconds{50};
  return out;
}

constexpr Database::Schema schema{
    .application_id = 77, .version = 2, .kind = "test database", .create = "CREATE TABLE t (a TEXT, b INTEGER)"};

std::int64_t count(Database& database) {
  auto query = database.prepare("SELECT count(*) FROM t");
  return query && query->step() ? query->integer(0) : -1;
}

TEST(Database, EveryFileIsPrivateWhateverTheUmask) {
  ScratchDir dir;
  const mode_t before = ::umask(0);
  {
    auto database = Database::open(dir / "a.db", options(Create::if_missing));
    ASSERT_TRUE(database) << database.error().text();
    ASSERT_TRUE(database->execute("CREATE TABLE t (a); INSERT INTO t VALUES (1)"));
    for (const char* name : {"a.db", "a.db-wal", "a.db-shm"}) EXPECT_EQ(test::mode_of(dir / name), 0600) << name;
  }
  auto rollback = Database::open(dir / "b.db", options(Create::must_be_new, Journal::rollback));
  ASSERT_TRUE(rollback);
  ASSERT_TRUE(rollback->transaction([&]() -> Result<void> {
    PGCERTD_CHECK(rollback->execute("CREATE TABLE t (a)"));
    EXPECT_EQ(test::mode_of(dir / "b.db-journal"), 0600);
    return {};
  }));
  ::umask(before);
}

TEST(Database, RefusesWhatIsNoDatabaseOfItsOwn) {
  ScratchDir dir;
  { ASSERT_TRUE(Database::open(dir / "real.db", options(Create::if_missing))); }
  std::filesystem::create_symlink(dir / "real.db", dir / "link.db");
  std::filesystem::create_directory(dir / "directory.db");
  test::spit(dir / "text.db", std::string(4096, 'x'));

  EXPECT_EQ(Database::open(dir / "link.db", options(Create::if_missing)).error().code, Errc::invalid);
  EXPECT_EQ(Database::open(dir / "directory.db", options(Create::if_missing)).error().code, Errc::invalid);
  EXPECT_EQ(Database::open(dir / "missing.db", options(Create::never)).error().code, Errc::not_found);
  EXPECT_EQ(Database::open(dir / "real.db", options(Create::must_be_new)).error().code, Errc::exists);
  EXPECT_EQ(Database::open(dir / "no/such/a.db", options(Create::if_missing)).error().code, Errc::not_found);
  const auto text = Database::open(dir / "text.db", options(Create::never));
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, Errc::database);
  EXPECT_NE(text.error().remedy, "");
}

TEST(Database, ALinkInTheParentDirectoryIsFollowed) {
  ScratchDir dir;
  std::filesystem::create_directory(dir / "real");
  std::filesystem::create_directory_symlink(dir / "real", dir / "link");
  EXPECT_TRUE(Database::open(dir / "link/a.db", options(Create::if_missing)));
  EXPECT_TRUE(std::filesystem::exists(dir / "real/a.db"));
}

TEST(Database, ReadOnlyIsAnErrorAtOpenNotAtTheFirstWrite) {
  ScratchDir dir;
  { ASSERT_TRUE(Database::open(dir / "a.db", options(Create::if_missing))->execute("CREATE TABLE t (a)")); }
  ::chmod((dir / "a.db").c_str(), 0444);
  ::chmod(dir.path().c_str(), 0555);
  EXPECT_EQ(test::in_unprivileged_child([&] {
              const auto old = Database::open(dir / "a.db", options(Create::never));
              const auto fresh = Database::open(dir / "b.db", options(Create::if_missing));
              const bool told = !old && old.error().code == Errc::read_only && !old.error().remedy.empty();
              return told && !fresh && fresh.error().code == Errc::permission ? 0 : 1;
            }),
            0);
  ::chmod(dir.path().c_str(), 0755);
}

TEST(Database, AWalThatMayOnlyBeReadIsAnErrorAtOpenToo) {
  ScratchDir dir;
  ::chmod(dir.path().c_str(), 0777);
  EXPECT_EQ(test::in_unprivileged_child([&] {
              if (!Database::open(dir / "a.db", options(Create::if_missing))->execute("CREATE TABLE t (a)")) return 1;
              std::ofstream{dir / "a.db-wal"};
              ::chmod((dir / "a.db-wal").c_str(), 0444);
              const auto refused = Database::open(dir / "a.db", options(Create::never));
              if (refused || refused.error().code != Errc::read_only) return 2;
              ::chmod((dir / "a.db-wal").c_str(), 0600);
              auto healed = Database::open(dir / "a.db", options(Create::never));
              return healed && healed->execute("INSERT INTO t VALUES (1)") ? 0 : 3;
            }),
            0);
}

TEST(Database, ATransactionIsWholeOrNothing) {
  ScratchDir dir;
  auto database = Database::open(dir / "a.db", options(Create::if_missing));
  ASSERT_TRUE(database && database->ensure_schema(schema));
  const auto insert = [&] { return database->execute("INSERT INTO t VALUES ('x', 1)"); };
  EXPECT_TRUE(database->transaction(insert));
  const auto failed = database->transaction([&]() -> Result<void> {
    PGCERTD_CHECK(insert());
    return fail(Errc::refused, "no");
  });
  EXPECT_EQ(failed.error().code, Errc::refused);
  EXPECT_EQ(count(*database), 1);
  EXPECT_TRUE(database->transaction(insert)) << "the failed one was rolled back, so that a new one may begin";
  EXPECT_EQ(count(*database), 2);
}

TEST(Database, AHeldWriteLockIsBusy) {
  ScratchDir dir;
  auto one = Database::open(dir / "a.db", options(Create::if_missing));
  auto two = Database::open(dir / "a.db", options(Create::if_missing));
  ASSERT_TRUE(one && two && one->ensure_schema(schema) && two->ensure_schema(schema));
  EXPECT_TRUE(one->transaction([&]() -> Result<void> {
    const auto second = two->transaction([]() -> Result<void> { return {}; });
    EXPECT_FALSE(second);
    EXPECT_EQ(second.error().code, Errc::busy);
    return {};
  }));
}

TEST(Database, BindsAndReadsBackAnyBytes) {
  ScratchDir dir;
  auto database = Database::open(dir / "a.db", options(Create::if_missing));
  ASSERT_TRUE(database && database->execute("CREATE TABLE t (a, b, c)"));
  const std::string bytes("a\0b\xff", 4);
  {
    auto insert = database->prepare("INSERT INTO t VALUES (?, ?, ?)");
    ASSERT_TRUE(insert);
    EXPECT_TRUE(insert->bind(1, bytes).bind(2, std::int64_t{-5}).bind_blob(3, bytes).run());
    EXPECT_TRUE(insert->bind(1, std::string_view{}).bind_blob(3, std::string_view{}).run());
    insert->bind(9, "no such parameter");
    EXPECT_FALSE(insert->step());
  }
  auto query = database->prepare("SELECT a, b, c FROM t");
  ASSERT_TRUE(query && query->step().value());
  EXPECT_EQ(query->text(0), bytes);
  EXPECT_EQ(query->integer(1), -5);
  EXPECT_EQ(query->text(2), bytes);
  ASSERT_TRUE(query->step().value());
  EXPECT_FALSE(query->is_null(0)) << "an empty text is not NULL";
  EXPECT_FALSE(query->is_null(2));
  EXPECT_FALSE(query->step().value());
  EXPECT_FALSE(database->prepare("SELECT nonsense"));
}

TEST(Database, TellsItsOwnSchemaFromOthers) {
  struct Row { const char* before; bool ensured; Errc code; };
  const Row rows[] = {
      {"", true, Errc::internal},
      {"PRAGMA application_id = 77; PRAGMA user_version = 2; CREATE TABLE t (a TEXT, b INTEGER)", true, Errc::internal},
      {"PRAGMA application_id = 77; PRAGMA user_version = 3", false, Errc::refused},
      {"PRAGMA application_id = 77; PRAGMA user_version = 1", false, Errc::invalid},
      {"PRAGMA application_id = 78; PRAGMA user_version = 2", false, Errc::invalid},
      {"CREATE TABLE somebody_elses (a)", false, Errc::invalid},
  };
  for (const Row& row : rows) {
    ScratchDir dir;
    auto database = Database::open(dir / "a.db", options(Create::if_missing));
    ASSERT_TRUE(database && database->execute(row.before));
    const auto checked = database->check_schema(schema);
    EXPECT_EQ(checked.has_value(), row.ensured && *row.before != 0) << row.before;
    const auto ensured = database->ensure_schema(schema);
    EXPECT_EQ(ensured.has_value(), row.ensured) << row.before;
    EXPECT_EQ(ensured ? Errc::internal : ensured.error().code, row.code) << row.before;
    EXPECT_TRUE(ensured || !ensured.error().remedy.empty()) << row.before;
    EXPECT_EQ(ensured ? count(*database) : 0, 0);
  }
}

}  // namespace
}  // namespace pgcertd::store
