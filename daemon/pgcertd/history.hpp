// History: the events in the state database, for everybody but the clusters' workers, which write theirs with their memory.
// Any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "store/state_store.hpp"

namespace pgcertd::daemon {

class History {
 public:
  // `appended` is called after each event that comes in here; it must not call back.
  explicit History(std::function<void()> appended = {}) : appended_(std::move(appended)) {}
  void use(const std::string& state_directory);
  [[nodiscard]] std::vector<Event> read(std::int64_t since, std::size_t limit);   // empty where it cannot be read
  [[nodiscard]] std::int64_t newest();                                            // its id; 0 where there is none, or it cannot be read
  Result<void> append(Event event);
  Result<void> prune(TimePoint older_than, std::uint64_t keep);
  Result<store::ChainLink> head();
  // On a connection of its own: it takes a while.
  [[nodiscard]] Result<store::ChainVerdict> verify(const std::string& asked) const;

 private:
  template <class Call>
  auto with_store(Call call) -> decltype(call(std::declval<store::StateStore&>()));

  const std::function<void()> appended_;
  mutable std::mutex mutex_;
  std::string path_;
  std::unique_ptr<store::StateStore> store_;
};

}  // namespace pgcertd::daemon
