#include "store/state_store.hpp"

#include <fmt/format.h>

#include <map>

#include "store/memory_rows.hpp"

namespace pgcertd::store {
namespace {

constexpr Database::Schema state_schema{
    .application_id = 0x70676373,                      // "pgcs"
    .version = 1,
    .kind = "state database",
    .create = R"(
CREATE TABLE memory (
  cluster TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (cluster, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL, cluster TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL
) STRICT;
CREATE INDEX event_at ON event (at);
CREATE TABLE event_field (
  event INTEGER NOT NULL REFERENCES event ON DELETE CASCADE, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (event, name)
) STRICT, WITHOUT ROWID;
)"};

using Rows = std::map<std::string, std::string>;

Result<Rows> read_rows(Database& database, const std::string& cluster) {
  PGCERTD_TRY(Statement query, database.prepare("SELECT key, value FROM memory WHERE cluster = ?"));
  query.bind(1, cluster);
  Rows rows;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return rows;
    rows.emplace(query.text(0), query.text(1));
  }
}

// Writes what differs only: a tick that changed one field writes one row.
Result<void> write_rows(Database& database, const std::string& cluster, const MemoryRows& wanted) {
  PGCERTD_TRY(const Rows there, read_rows(database, cluster));
  PGCERTD_TRY(Statement remove, database.prepare("DELETE FROM memory WHERE cluster = ? AND key = ?"));
  PGCERTD_TRY(Statement put,
              database.prepare("INSERT INTO memory VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"));
  for (const auto& [key, value] : there) {
    const bool known = wanted.roots.contains(std::string(root_of(key)));
    if (known && !wanted.rows.contains(key)) PGCERTD_CHECK(remove.bind(1, cluster).bind(2, key).run());
  }
  for (const auto& [key, value] : wanted.rows) {
    const auto old = there.find(key);
    if (old == there.end() || old->second != value) PGCERTD_CHECK(put.bind(1, cluster).bind(2, key).bind(3, value).run());
  }
  return {};
}

Result<void> write_events(Database& database, const std::vector<Event>& events) {
  PGCERTD_TRY(Statement insert, database.prepare("INSERT INTO event (at, cluster, kind, message) VALUES (?, ?, ?, ?)"));
  PGCERTD_TRY(Statement insert_field, database.prepare("INSERT INTO event_field VALUES (?, ?, ?)"));
  for (const Event& event : events) {
    PGCERTD_CHECK(insert.bind(1, event.at).bind(2, event.cluster).bind(3, event.kind).bind(4, event.message).run());
    Event stored = event;
    stored.id = database.last_insert_id();
    for (const auto& [name, value] : event.fields) PGCERTD_CHECK(insert_field.bind(1, stored.id).bind(2, name).bind(3, value).run());
    PGCERTD_CHECK(append_to_chain(database, stored));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& path) {
  DatabaseOptions options;
  options.create = DatabaseOptions::Create::if_missing;
  options.journal = DatabaseOptions::Journal::wal;
  PGCERTD_TRY(Database database, Database::open(path, options));
  PGCERTD_CHECK(database.ensure_schema(state_schema));
  PGCERTD_CHECK(ensure_chain(database));
  return std::unique_ptr<StateStore>(new StateStore(std::move(database)));
}

Result<std::unique_ptr<StateStore>> StateStore::open_to_read(const std::string& path) {
  DatabaseOptions options;
  options.create = DatabaseOptions::Create::read_only;
  PGCERTD_TRY(Database database, Database::open(path, options));
  PGCERTD_CHECK(database.check_schema(state_schema));
  return std::unique_ptr<StateStore>(new StateStore(std::move(database)));
}

Result<ClusterMemory> StateStore::load(const std::string& cluster) {
  PGCERTD_TRY(const Rows rows, read_rows(database_, cluster));
  return within(from_rows(rows), fmt::format("reading what is remembered of cluster {}", cluster));
}

Result<void> StateStore::save(const std::string& cluster, const ClusterMemory& memory, const std::vector<Event>& events) {
  const MemoryRows rows = to_rows(memory);
  return database_.transaction([&]() -> Result<void> {
    PGCERTD_CHECK(write_rows(database_, cluster, rows));
    return write_events(database_, events);
  });
}

Result<std::vector<Event>> StateStore::events(std::int64_t after_id, std::size_t limit) {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT e.id, e.at, e.cluster, e.kind, e.message, f.name, f.value "
                                                 "FROM (SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?) e "
                                                 "LEFT JOIN event_field f ON f.event = e.id ORDER BY e.id"));
  query.bind(1, after_id).bind(2, static_cast<std::int64_t>(std::min(limit, static_cast<std::size_t>(INT64_MAX))));
  std::vector<Event> events;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return events;
    if (events.empty() || events.back().id != query.integer(0))
      events.push_back(Event{.id = query.integer(0),
                             .at = query.time(1),
                             .cluster = query.text(2),
                             .kind = query.text(3),
                             .message = query.text(4),
                             .fields = {}});
    if (!query.is_null(5)) events.back().fields.emplace(query.text(5), query.text(6));
  }
}

Result<std::int64_t> StateStore::newest_event() {
  PGCERTD_TRY(Statement query, database_.prepare("SELECT coalesce(max(id), 0) FROM event"));
  PGCERTD_CHECK(query.step());
  return query.integer(0);
}

Result<void> StateStore::append(const std::vector<Event>& events) {
  return database_.transaction([&] { return write_events(database_, events); });
}

// From the oldest on, in the order of their numbers: a hole would look like an event that was taken out.
Result<void> StateStore::prune(TimePoint older_than, std::uint64_t keep) {
  return database_.transaction([&]() -> Result<void> {
    PGCERTD_TRY(Statement query, database_.prepare("SELECT max(coalesce((SELECT min(id) FROM event WHERE at >= ?), (SELECT max(id) + 1 FROM event), 0), "
                                                   "coalesce((SELECT id + 1 FROM event ORDER BY id DESC LIMIT 1 OFFSET ?), 0))"));
    PGCERTD_CHECK(query.bind(1, older_than).bind(2, static_cast<std::int64_t>(std::min(keep, static_cast<std::uint64_t>(INT64_MAX)))).step());
    const std::int64_t first_kept = query.integer(0);
    PGCERTD_CHECK(cut_chain(database_, first_kept));
    PGCERTD_TRY(Statement remove, database_.prepare("DELETE FROM event WHERE id < ?"));
    return remove.bind(1, first_kept).run();
  });
}

Result<ChainVerdict> StateStore::verify_chain(std::string_view asked) {
  return store::verify_chain(database_, [this](std::int64_t after, std::size_t limit) { return events(after, limit); }, asked);
}

}  // namespace pgcertd::store
