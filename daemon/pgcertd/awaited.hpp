// Awaited: what a worker's thread will answer, and the way to tell it that nobody waits any more.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>

namespace pgcertd::daemon {

template <class T>
class Awaited {
 public:
  Awaited(std::future<T> answer, std::shared_ptr<std::atomic<bool>> taken) : answer_(std::move(answer)), taken_(std::move(taken)) {}

  // nullopt: not in this time. std::future_error: the worker ended first, and nothing was done.
  std::optional<T> within(std::chrono::steady_clock::duration patience) {
    if (answer_.wait_for(patience) != std::future_status::ready) return std::nullopt;
    return answer_.get();
  }
  // True: it was not begun, and never will be. Once for each.
  bool withdraw() { return !taken_->exchange(true); }

 private:
  std::future<T> answer_;
  std::shared_ptr<std::atomic<bool>> taken_;   // by the worker, or back by who asked
};

}  // namespace pgcertd::daemon
