#include "pgcertd/history.hpp"

namespace pgcertd::daemon {

void History::use(const std::string& state_directory) {
  const std::lock_guard lock(mutex_);
  const std::string path = state_directory + "/pgcertd.db";
  if (path != path_) store_.reset();
  path_ = path;
}

template <class Call>
auto History::with_store(Call call) -> decltype(call(std::declval<store::StateStore&>())) {
  const std::lock_guard lock(mutex_);
  if (!store_) {
    PGCERTD_TRY(store_, store::StateStore::open(path_));
  }
  auto done = call(*store_);
  if (!done) store_.reset();   // opened anew at the next question
  return done;
}

std::vector<Event> History::read(std::int64_t since, std::size_t limit) {
  return with_store([&](store::StateStore& store) { return store.events(since, limit); }).value_or(std::vector<Event>{});
}

std::int64_t History::newest() {
  return with_store([](store::StateStore& store) { return store.newest_event(); }).value_or(0);
}

Result<void> History::append(Event event) {
  auto done = with_store([&](store::StateStore& store) { return store.append({std::move(event)}); });
  if (done && appended_) appended_();
  return done;
}

Result<void> History::prune(TimePoint older_than, std::uint64_t keep) {
  return with_store([&](store::StateStore& store) { return store.prune(older_than, keep); });
}

Result<store::ChainLink> History::head() {
  return with_store([](store::StateStore& store) { return store.chain_head(); });
}

Result<store::ChainVerdict> History::verify(const std::string& asked) const {
  const std::string path = [this] {
    const std::lock_guard lock(mutex_);
    return path_;
  }();
  PGCERTD_TRY(const auto store, store::StateStore::open(path));
  return store->verify_chain(asked);
}

}  // namespace pgcertd::daemon
