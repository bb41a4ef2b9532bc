// The chain of events: those that concern keys, certificates and CRLs carry a hash over themselves and the one before, so that
// one that was changed, taken out or put in shows. A checkpoint holds the hash of the last one that was pruned. Its end can be
// cut off unseen: that is why its head goes to the journal, too. One object a thread, as the database.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/memory.hpp"
#include "store/database.hpp"

namespace pgcertd::store {

struct ChainLink {
  std::int64_t event = 0;              // 0: there is none
  std::string hash;                    // hex
};

struct ChainVerdict {
  std::uint64_t chained = 0;           // events that fit
  ChainLink checkpoint, head;
  std::string fault;                   // the first that does not fit; empty: all do
  bool holds_asked = false;            // the hash that was asked for is one of the chain's, or its checkpoint
};

// What an operator may look at is not chained: that a problem stands or is gone follows from the rest.
bool is_chained(std::string_view kind) noexcept;
// SHA-256 over the hash before, and each part of the event with its length.
std::string chain_hash(std::string_view before, const Event& event);

Result<void> ensure_chain(Database& database);
// Within the transaction that inserted it.
Result<void> append_to_chain(Database& database, const Event& event);
// Within the transaction that removes all events before `first_kept`.
Result<void> cut_chain(Database& database, std::int64_t first_kept);
Result<ChainLink> chain_head(Database& database);
using ReadEvents = std::function<Result<std::vector<Event>>(std::int64_t after, std::size_t limit)>;
Result<ChainVerdict> verify_chain(Database& database, const ReadEvents& read, std::string_view asked);

}  // namespace pgcertd::store
