#include "store/event_chain.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/hex.hpp"

namespace pgcertd::store {
namespace {

constexpr std::array<std::string_view, 4> unchained{"problem-stands", "problem-gone", "paused", "resumed"};
constexpr std::size_t page = 1000;

// With its length before it: no two different events can give the same bytes.
void add(std::string& bytes, std::string_view part) { bytes += fmt::format("{}:{},", part.size(), part); }

Result<ChainLink> one_link(Database& database, const char* sql) {
  PGCERTD_TRY(Statement query, database.prepare(sql));
  PGCERTD_TRY(const bool found, query.step());
  return found ? ChainLink{query.integer(0), query.text(1)} : ChainLink{};
}

Result<ChainLink> checkpoint_of(Database& database) { return one_link(database, "SELECT event, hash FROM event_checkpoint"); }

Result<std::vector<ChainLink>> links_of(Database& database) {
  PGCERTD_TRY(Statement query, database.prepare("SELECT event, hash FROM event_chain ORDER BY event"));
  std::vector<ChainLink> links;
  for (;;) {
    PGCERTD_TRY(const bool row, query.step());
    if (!row) return links;
    links.push_back({query.integer(0), query.text(1)});
  }
}

// Goes over events and links side by side, in the order of their numbers.
class Walk {
 public:
  Walk(std::vector<ChainLink> links, ChainVerdict& verdict, std::string_view asked) : links_(std::move(links)), verdict_(verdict), asked_(asked) {
    verdict_.head = verdict_.checkpoint;
    verdict_.holds_asked = !asked_.empty() && asked_ == verdict_.checkpoint.hash;
  }
  // False: it does not fit.
  bool take(const Event& event) {
    if (at_ < links_.size() && links_[at_].event < event.id) return gone();
    if (at_ == links_.size() || links_[at_].event != event.id) {
      const bool begun = verdict_.head.event != 0;
      if (begun && is_chained(event.kind)) verdict_.fault = fmt::format("event {} ({}) is not in the chain: it was put in", event.id, event.kind);
      return verdict_.fault.empty();
    }
    const ChainLink& link = links_[at_++];
    if (chain_hash(verdict_.head.hash, event) != link.hash) {
      verdict_.fault = fmt::format("event {} ({}) does not fit: it, or one before it, was changed or taken out", event.id, event.kind);
      return false;
    }
    ++verdict_.chained;
    verdict_.head = link;
    verdict_.holds_asked = verdict_.holds_asked || link.hash == asked_;
    return true;
  }
  void finish() {
    if (verdict_.fault.empty() && at_ < links_.size()) (void)gone();
  }

 private:
  bool gone() {
    verdict_.fault = fmt::format("event {} was taken out", links_[at_].event);
    return false;
  }
  const std::vector<ChainLink> links_;
  ChainVerdict& verdict_;
  const std::string asked_;
  std::size_t at_ = 0;
};

Result<void> walk(Database& database, const ReadEvents& read, std::string_view asked, ChainVerdict& verdict) {
  PGCERTD_TRY(verdict.checkpoint, checkpoint_of(database));
  PGCERTD_TRY(auto links, links_of(database));
  Walk walking(std::move(links), verdict, asked);
  for (std::int64_t after = 0;;) {
    PGCERTD_TRY(const std::vector<Event> events, read(after, page));
    for (const Event& event : events)
      if (!walking.take(event)) return {};
    if (events.empty()) break;
    after = events.back().id;
  }
  walking.finish();
  return {};
}

}  // namespace

bool is_chained(std::string_view kind) noexcept { return std::ranges::find(unchained, kind) == unchained.end(); }

std::string chain_hash(std::string_view before, const Event& event) {
  std::string bytes;
  for (const std::string_view part : {before, std::string_view(event.cluster), std::string_view(event.kind), std::string_view(event.message)}) add(bytes, part);
  add(bytes, fmt::to_string(event.id));
  add(bytes, fmt::to_string(event.at.time_since_epoch().count()));
  for (const auto& [name, value] : event.fields) add(bytes, name), add(bytes, value);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return {};
  return to_hex(std::span(digest).first(size));
}

// Not part of the schema's version: a database from before the chain begins it with its next event.
Result<void> ensure_chain(Database& database) {
  return database.execute(
      "CREATE TABLE IF NOT EXISTS event_chain (event INTEGER PRIMARY KEY, hash TEXT NOT NULL) STRICT;"
      "CREATE TABLE IF NOT EXISTS event_checkpoint (one INTEGER PRIMARY KEY CHECK (one = 1), event INTEGER NOT NULL, hash TEXT NOT NULL) STRICT;");
}

Result<ChainLink> chain_head(Database& database) {
  PGCERTD_TRY(const ChainLink last, one_link(database, "SELECT event, hash FROM event_chain ORDER BY event DESC LIMIT 1"));
  return last.event != 0 ? Result<ChainLink>(last) : checkpoint_of(database);
}

Result<void> append_to_chain(Database& database, const Event& event) {
  if (!is_chained(event.kind)) return {};
  PGCERTD_TRY(const ChainLink before, chain_head(database));
  PGCERTD_TRY(Statement insert, database.prepare("INSERT INTO event_chain VALUES (?, ?)"));
  return insert.bind(1, event.id).bind(2, chain_hash(before.hash, event)).run();
}

Result<void> cut_chain(Database& database, std::int64_t first_kept) {
  PGCERTD_TRY(Statement move, database.prepare("INSERT INTO event_checkpoint SELECT 1, event, hash FROM event_chain WHERE event < ? ORDER BY event DESC LIMIT 1 "
                                               "ON CONFLICT DO UPDATE SET event = excluded.event, hash = excluded.hash"));
  PGCERTD_CHECK(move.bind(1, first_kept).run());
  PGCERTD_TRY(Statement remove, database.prepare("DELETE FROM event_chain WHERE event < ?"));
  return remove.bind(1, first_kept).run();
}

// One view of the database throughout: others write meanwhile.
Result<ChainVerdict> verify_chain(Database& database, const ReadEvents& read, std::string_view asked) {
  PGCERTD_CHECK(database.execute("BEGIN"));
  ChainVerdict verdict;
  auto walked = walk(database, read, asked, verdict);
  auto ended = database.execute("COMMIT");
  if (!walked) return fail(std::move(walked).error());
  if (!ended) return fail(std::move(ended).error());
  return verdict;
}

}  // namespace pgcertd::store
