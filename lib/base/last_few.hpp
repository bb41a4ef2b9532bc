// LastFew: what was said of the last few keys that were asked for. The one that was asked for last is forgotten last. Any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace pgcertd {

template <class Key, class Value>
class LastFew {
 public:
  explicit LastFew(std::size_t most) : most_(most) {}

  template <class Asked>
  std::optional<Value> find(const Asked& key) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(few_, key, &Entry::first);
    if (found == few_.end()) return std::nullopt;
    std::rotate(few_.begin(), found, found + 1);
    return few_.front().second;
  }

  // In place of what was said of the same key.
  void keep(Key key, Value value) {
    const std::lock_guard lock(mutex_);
    std::erase_if(few_, [&](const Entry& one) { return one.first == key; });
    few_.emplace_front(std::move(key), std::move(value));
    if (few_.size() > most_) few_.pop_back();
  }

  void forget(const Key& key) {
    const std::lock_guard lock(mutex_);
    std::erase_if(few_, [&](const Entry& one) { return one.first == key; });
  }

 private:
  using Entry = std::pair<Key, Value>;
  const std::size_t most_;
  std::mutex mutex_;
  std::deque<Entry> few_;
};

}  // namespace pgcertd
