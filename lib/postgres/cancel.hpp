// Cancel: once triggered, ends every wait of this room within moments. Shared by all workers; trigger() may be called from
// any thread and from a signal handler. It stays triggered.
#pragma once

#include <atomic>

#include "base/unique_fd.hpp"

namespace pgcertd::postgres {

class Cancel {
 public:
  // Without descriptors left, waits are not woken at once; they still end by their deadlines.
  Cancel();
  void trigger() noexcept;
  [[nodiscard]] bool triggered() const noexcept { return triggered_.load(std::memory_order_acquire); }
  [[nodiscard]] int fd() const noexcept { return event_.get(); }   // readable from then on

 private:
  UniqueFd event_;
  std::atomic<bool> triggered_{false};
};

}  // namespace pgcertd::postgres
