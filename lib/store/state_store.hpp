// StateStore: STATE/pgcertd.db. A cluster's memory as rows of key and value, and the history of events.
// Rows with a key that this version does not know are kept. One object a thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ports/store.hpp"
#include "store/database.hpp"
#include "store/event_chain.hpp"

namespace pgcertd::store {

class StateStore final : public ports::Store {
 public:
  // Makes the file where it is missing. A schema of a newer pgcertd is Errc::refused.
  static Result<std::unique_ptr<StateStore>> open(const std::string& path);
  // Writes nothing, beside a running daemon too. Errc::not_found where there is none.
  static Result<std::unique_ptr<StateStore>> open_to_read(const std::string& path);

  Result<ClusterMemory> load(const std::string& cluster) override;
  Result<void> save(const std::string& cluster, const ClusterMemory& memory, const std::vector<Event>& events) override;
  Result<std::vector<Event>> events(std::int64_t after_id, std::size_t limit) override;
  Result<void> prune(TimePoint older_than, std::uint64_t keep) override;
  // Events that belong to no cluster's memory.
  Result<void> append(const std::vector<Event>& events);
  Result<std::int64_t> newest_event();   // its id; 0: there is none
  Result<ChainLink> chain_head() { return store::chain_head(database_); }
  Result<ChainVerdict> verify_chain(std::string_view asked);

 private:
  explicit StateStore(Database database) : database_(std::move(database)) {}
  Database database_;
};

}  // namespace pgcertd::store
