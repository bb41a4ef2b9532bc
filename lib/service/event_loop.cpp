#include "service/event_loop.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <exception>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "service/sd_ptr.hpp"
#include "service/wall_timers.hpp"

namespace pgcertd::service {
namespace {

std::uint64_t to_usec(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::microseconds{std::max(duration, Duration{1})}.count());
}

// How late a periodic callback may be: enough that the kernel and sd-event can join wake-ups.
Duration slack(Duration interval) { return std::min(interval / 2, std::max(Duration{250}, interval / 10)); }

Result<void> checked(int result, std::string_view call, std::string_view object) {
  if (result < 0) return fail(errno_error(call, object, -result));
  return {};
}

}  // namespace

struct EventLoop::Impl {
  // What a source of sd-event points to.
  struct Handler {
    Impl* loop = nullptr;
    Callback callback;
    Duration interval{};              // periodic ones only
    SourcePtr source;
  };

  EventPtr event;
  UniqueFd wake_fd;
  std::optional<WallTimers> timers;
  Callback clock_set;
  std::vector<std::unique_ptr<Handler>> handlers;                 // that stay until the end
  std::unordered_map<int, std::unique_ptr<Handler>> readers;
  std::vector<std::unique_ptr<Handler>> retired;                  // removed, perhaps by themselves: freed after the turn
  std::optional<Error> failure;
  std::atomic<std::uint64_t> turns{0};
  std::atomic<bool> stopping{false};
  std::mutex mutex;
  std::vector<Callback> posted;                                   // guarded by mutex

  void fail_with(Error error) {
    if (!failure) failure = std::move(error);
    sd_event_exit(event.get(), 1);
  }
  // sd-event is C: nothing may be thrown through it.
  void call(const Callback& callback) noexcept {
    if (failure || !callback) return;
    try {
      callback();
    } catch (const std::exception& e) {
      fail_with(make_error(Errc::internal, std::string("event loop: a callback threw: ") + e.what()));
    } catch (...) {
      fail_with(make_error(Errc::internal, "event loop: a callback threw something that is no std::exception"));
    }
  }
  std::unique_ptr<Handler> handler(Callback callback) {
    return std::make_unique<Handler>(Handler{.loop = this, .callback = std::move(callback), .interval = {}, .source = {}});
  }
  Result<void> watch(Handler& to, int fd) {
    sd_event_source* source = nullptr;
    PGCERTD_CHECK(checked(sd_event_add_io(event.get(), &source, fd, EPOLLIN, on_io, &to), "sd_event_add_io", std::to_string(fd)));
    to.source.reset(source);
    return {};
  }
  Result<void> watch_always(int fd, Callback callback) {
    auto added = handler(std::move(callback));
    PGCERTD_CHECK(watch(*added, fd));
    handlers.push_back(std::move(added));
    return {};
  }

  void wake() const noexcept {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the loop is awake already.
    (void)!write(wake_fd.get(), &one, sizeof one);
  }
  void run_posted() {
    std::uint64_t count = 0;
    (void)!read(wake_fd.get(), &count, sizeof count);   // EAGAIN: an earlier turn has taken it
    std::vector<Callback> work;
    {
      const std::lock_guard lock{mutex};
      work.swap(posted);
    }
    for (const Callback& item : work) call(item);
    if (stopping) sd_event_exit(event.get(), 0);
  }
  void run_timers() {
    auto ready = timers->take();
    if (!ready) return fail_with(std::move(ready).error());
    if (ready->clock_was_set) call(clock_set);
    for (const Callback& due : ready->due) call(due);
  }

  static int on_io(sd_event_source*, int, std::uint32_t, void* data) {
    auto* handler = static_cast<Handler*>(data);
    handler->loop->call(handler->callback);
    return 0;
  }
  static int on_signalled(sd_event_source*, const struct signalfd_siginfo*, void* data) { return on_io(nullptr, 0, 0, data); }
  static int on_interval(sd_event_source* source, std::uint64_t, void* data) {
    auto* handler = static_cast<Handler*>(data);
    handler->loop->call(handler->callback);
    const int result = sd_event_source_set_time_relative(source, to_usec(handler->interval));
    return result < 0 ? result : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
  }
};

EventLoop::EventLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
EventLoop::~EventLoop() = default;

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
  auto impl = std::make_unique<Impl>();
  sd_event* event = nullptr;
  PGCERTD_CHECK(checked(sd_event_new(&event), "sd_event_new", "event loop"));
  impl->event.reset(event);
  impl->wake_fd.reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!impl->wake_fd) return fail(errno_error("eventfd", "event loop", errno));
  PGCERTD_TRY(auto timers, WallTimers::create());
  impl->timers.emplace(std::move(timers));
  PGCERTD_CHECK(impl->watch_always(impl->wake_fd.get(), [loop = impl.get()] { loop->run_posted(); }));
  PGCERTD_CHECK(impl->watch_always(impl->timers->fd(), [loop = impl.get()] { loop->run_timers(); }));
  return std::unique_ptr<EventLoop>(new EventLoop(std::move(impl)));
}

Result<void> EventLoop::on_signal(int signal, Callback callback) {
  sigset_t set;
  sigemptyset(&set);
  if (sigaddset(&set, signal) < 0) return fail(errno_error("sigaddset", std::to_string(signal), errno));
  PGCERTD_CHECK(checked(-pthread_sigmask(SIG_BLOCK, &set, nullptr), "pthread_sigmask", std::to_string(signal)));
  auto added = impl_->handler(std::move(callback));
  sd_event_source* source = nullptr;
  PGCERTD_CHECK(checked(sd_event_add_signal(impl_->event.get(), &source, signal, Impl::on_signalled, added.get()),
                        "sd_event_add_signal", std::to_string(signal)));
  added->source.reset(source);
  impl_->handlers.push_back(std::move(added));
  return {};
}

void EventLoop::on_clock_set(Callback callback) { impl_->clock_set = std::move(callback); }

Result<void> EventLoop::set_timer(const std::string& name, TimePoint at, Callback callback) {
  return impl_->timers->set(name, at, std::move(callback));
}

Result<void> EventLoop::cancel_timer(const std::string& name) { return impl_->timers->cancel(name); }

Result<void> EventLoop::every(Duration interval, Callback callback) {
  if (interval <= Duration{0}) return fail(Errc::invalid, "event loop: the interval " + to_text(interval) + " is not positive");
  auto added = impl_->handler(std::move(callback));
  added->interval = interval;
  sd_event_source* source = nullptr;
  PGCERTD_CHECK(checked(sd_event_add_time_relative(impl_->event.get(), &source, CLOCK_MONOTONIC, to_usec(interval),
                                                   to_usec(slack(interval)), Impl::on_interval, added.get()),
                        "sd_event_add_time_relative", to_text(interval)));
  added->source.reset(source);
  impl_->handlers.push_back(std::move(added));
  return {};
}

Result<void> EventLoop::add_reader(int fd, Callback callback, ReadLimit limit) {
  if (impl_->readers.count(fd) != 0) return fail(Errc::exists, "event loop: descriptor " + std::to_string(fd) + " is read already");
  auto added = impl_->handler(std::move(callback));
  PGCERTD_CHECK(impl_->watch(*added, fd));
  if (limit.burst > 0) {
    PGCERTD_CHECK(checked(sd_event_source_set_ratelimit(added->source.get(), to_usec(limit.interval), limit.burst),
                          "sd_event_source_set_ratelimit", std::to_string(fd)));
  }
  impl_->readers.emplace(fd, std::move(added));
  return {};
}

void EventLoop::remove_reader(int fd) {
  const auto found = impl_->readers.find(fd);
  if (found == impl_->readers.end()) return;
  found->second->source.reset();
  impl_->retired.push_back(std::move(found->second));
  impl_->readers.erase(found);
}

void EventLoop::post(Callback work) {
  {
    const std::lock_guard lock{impl_->mutex};
    impl_->posted.push_back(std::move(work));
  }
  impl_->wake();
}

void EventLoop::stop() noexcept {
  impl_->stopping = true;
  impl_->wake();
}

Result<void> EventLoop::run() {
  while (sd_event_get_state(impl_->event.get()) != SD_EVENT_FINISHED) {
    const int result = sd_event_run(impl_->event.get(), UINT64_MAX);
    if (result < 0 && result != -EINTR) return fail(errno_error("sd_event_run", "event loop", -result));
    ++impl_->turns;
    impl_->retired.clear();
  }
  if (impl_->failure) return fail(std::move(*impl_->failure));
  return {};
}

std::uint64_t EventLoop::wakeups() const noexcept { return impl_->turns; }

}  // namespace pgcertd::service
