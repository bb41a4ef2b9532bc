// Errands: threads for work that may wait for something, one for each piece, so that none holds up another. They are made when there
// is work and are gone after it. One thread starts and joins them.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <list>
#include <thread>

namespace pgcertd::http {

class Errands {
 public:
  explicit Errands(std::size_t most) : most_(most) {}
  ~Errands() { join(); }
  Errands(const Errands&) = delete;
  Errands& operator=(const Errands&) = delete;

  // False: `most` are under way, or the system gives no thread; `work` was not begun.
  bool start(std::function<void()> work);
  // Waits for those under way.
  void join();

 private:
  struct One {
    std::atomic<bool> over = false;
    std::thread thread;
  };

  const std::size_t most_;
  std::list<One> under_way_;
};

}  // namespace pgcertd::http
