// EventLoop: the daemon's one loop: signals, wall-clock timers, readers, and work posted by other threads.
// post() and stop() may be called from any thread; everything else belongs to the thread that runs the loop.
// A callback may add or remove anything, itself included. One that throws ends run() with an error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::service {

// A reader that is ready more than `burst` times in `interval` rests for what is left of it. No burst: no limit.
struct ReadLimit {
  Duration interval{0};
  unsigned burst = 0;
};

class EventLoop {
 public:
  using Callback = std::function<void()>;

  static Result<std::unique_ptr<EventLoop>> create();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Blocks `signal` in the calling thread for good: call it before any other thread is started, and give programs that are
  // started an empty signal mask.
  Result<void> on_signal(int signal, Callback callback);
  // The wall clock was set (not slewed): whatever was planned by it must be planned anew.
  void on_clock_set(Callback callback);
  // Once at `at` by the wall clock, at the next turn when that is past. The same name again replaces the timer.
  Result<void> set_timer(const std::string& name, TimePoint at, Callback callback);
  Result<void> cancel_timer(const std::string& name);
  // Each `interval` of running time, a little late where that saves a wake-up. For watchdog pings, not for deadlines.
  Result<void> every(Duration interval, Callback callback);
  // Whenever `fd` is readable. The descriptor stays the caller's; remove_reader() comes before its close.
  Result<void> add_reader(int fd, Callback callback, ReadLimit limit = {});
  void remove_reader(int fd);

  void post(Callback work);
  void stop() noexcept;
  // Until stop(). A loop runs once.
  Result<void> run();
  // Turns of the loop so far.
  [[nodiscard]] std::uint64_t wakeups() const noexcept;

 private:
  struct Impl;
  explicit EventLoop(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::service
