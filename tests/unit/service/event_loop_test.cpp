// Covers lib/service/event_loop.*, wall_timers.*, clocks.*
#include "service/event_loop.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <csignal>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "service/clocks.hpp"
#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

// on_signal() blocks signals for good, which children of later tests would inherit.
class SignalMask {
 public:
  SignalMask() { pthread_sigmask(SIG_SETMASK, nullptr, &old_); }
  ~SignalMask() { pthread_sigmask(SIG_SETMASK, &old_, nullptr); }
  SignalMask(const SignalMask&) = delete;
  SignalMask& operator=(const SignalMask&) = delete;

 private:
  sigset_t old_{};
};

TEST(EventLoop, SignalsReachTheirOwnCallbacks) {
  const SignalMask restored;
  const auto loop = make_loop();
  std::vector<int> seen;
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ASSERT_TRUE(loop->on_signal(signal, [&, signal] {
      seen.push_back(signal);
      if (signal == SIGTERM) loop->stop();
      else kill(getpid(), signal == SIGHUP ? SIGINT : SIGTERM);
    }));
  }
  kill(getpid(), SIGHUP);
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(seen, (std::vector<int>{SIGHUP, SIGINT, SIGTERM}));
}

TEST(EventLoop, AnImpossibleSignalIsAnError) {
  const SignalMask restored;
  const auto loop = make_loop();
  EXPECT_FALSE(loop->on_signal(9999, [] {}));
}

TEST(EventLoop, TimersFireInOrderAndNeverEarly) {
  const auto loop = make_loop();
  std::vector<std::string> fired;
  const TimePoint start = wall_now();
  ASSERT_TRUE(loop->set_timer("late", start + milliseconds{60}, [&] {
    EXPECT_GE(wall_now(), start + milliseconds{60});
    fired.emplace_back("late");
    loop->stop();
  }));
  ASSERT_TRUE(loop->set_timer("early", start + milliseconds{20}, [&] { fired.emplace_back("early"); }));
  ASSERT_TRUE(loop->set_timer("before 1970", TimePoint{seconds{-5}}, [&] { fired.emplace_back("before 1970"); }));
  ASSERT_TRUE(loop->set_timer("far", no_expiry, [&] { fired.emplace_back("far"); }));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(fired, (std::vector<std::string>{"before 1970", "early", "late"}));
}

TEST(EventLoop, ATimerIsReplacedByNameAndCancelled) {
  const auto loop = make_loop();
  std::string fired;
  ASSERT_TRUE(loop->set_timer("next", wall_now(), [&] { fired += "old"; }));
  ASSERT_TRUE(loop->set_timer("next", wall_now() + milliseconds{30}, [&] { fired += "new"; }));
  ASSERT_TRUE(loop->set_timer("gone", wall_now(), [&] { fired += "gone"; }));
  ASSERT_TRUE(loop->cancel_timer("gone"));
  ASSERT_TRUE(loop->set_timer("end", wall_now() + milliseconds{60}, [&] { loop->stop(); }));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(fired, "new");
}

TEST(EventLoop, ATimerMaySetItselfAgain) {
  const auto loop = make_loop();
  int fired = 0;
  std::function<void()> again = [&] {
    if (++fired == 3) return loop->stop();
    EXPECT_TRUE(loop->set_timer("again", wall_now() + milliseconds{5}, again));
  };
  ASSERT_TRUE(loop->set_timer("again", wall_now(), again));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(fired, 3);
}

int timer_fd_of_this_process(bool (*matches)(const std::string&)) {
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (fs::read_symlink(entry, error) != "anon_inode:[timerfd]") continue;
    std::ifstream file("/proc/self/fdinfo/" + entry.path().filename().string());
    if (matches({std::istreambuf_iterator<char>(file), {}})) return std::stoi(entry.path().filename());
  }
  return -1;
}
// CLOCK_REALTIME, armed with TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET.
bool notices_a_set_clock(const std::string& info) {
  return info.find("clockid: 0\n") != std::string::npos && info.find("settime flags: 03\n") != std::string::npos;
}

TEST(EventLoop, TheKernelIsAskedToTellOfASetClockEvenWithoutTimers) {
  EXPECT_EQ(timer_fd_of_this_process(notices_a_set_clock), -1) << "left over from another test";
  const auto loop = make_loop();
  EXPECT_GE(timer_fd_of_this_process(notices_a_set_clock), 0);
}

// The kernel says "the clock was set" by ECANCELED. Tests must not set a machine's clock, so a filter says it.
bool make_read_of_this_fd_say_cancelled(int fd) {
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_read, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(fd), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ECANCELED),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog program{.len = sizeof code / sizeof *code, .filter = code};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

TEST(EventLoop, ASetClockIsToldAndDueTimersStillRun) {
  EXPECT_EQ(in_child([] {
    const auto loop = make_loop();
    std::string told;
    loop->on_clock_set([&] { told += "set "; });
    if (!loop->set_timer("due", wall_now() + milliseconds{20}, [&] { told += "due"; loop->stop(); })) return 2;
    if (!make_read_of_this_fd_say_cancelled(timer_fd_of_this_process(notices_a_set_clock))) return 3;
    return loop->run() && told.starts_with("set ") && told.ends_with("due") ? 0 : 1;
  }), 0);
}

TEST(EventLoop, RunsWorkOfOtherThreadsOnItsOwnThread) {
  const auto loop = make_loop();
  const auto own = std::this_thread::get_id();
  int done = 0;   // no lock: only this thread may touch it
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        loop->post([&] {
          EXPECT_EQ(std::this_thread::get_id(), own);
          if (++done == 2000) loop->stop();
        });
      }
    });
  }
  EXPECT_TRUE(run_within(*loop));
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 2000);
}

TEST(EventLoop, WorkMayPostMoreWorkAndAStopBeforeTheRunHolds) {
  const auto loop = make_loop();
  bool second = false;
  loop->post([&] { loop->post([&] { second = true; loop->stop(); }); });
  EXPECT_TRUE(run_within(*loop));
  EXPECT_TRUE(second);
  const auto stopped = make_loop();
  stopped->stop();
  EXPECT_TRUE(run_within(*stopped));
}

TEST(EventLoop, AThrowingCallbackEndsTheRunWithAnError) {
  const auto loop = make_loop();
  bool later = false;
  loop->post([] { throw std::runtime_error("broken"); });
  loop->post([&] { later = true; });
  const auto result = loop->run();
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().text().find("broken"), std::string::npos);
  EXPECT_FALSE(later);
}

TEST(EventLoop, ReadersComeAndGoEvenByThemselves) {
  const auto loop = make_loop();
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd in{ends[0]}, out{ends[1]};
  ASSERT_EQ(write(out.get(), "ab", 2), 2);
  int calls = 0;
  ASSERT_TRUE(loop->add_reader(in.get(), [&] {   // level-triggered: what is left unread comes again
    char byte = 0;
    EXPECT_EQ(read(in.get(), &byte, 1), 1);
    if (++calls < 2) return;
    EXPECT_EQ(write(out.get(), "c", 1), 1);
    loop->remove_reader(in.get());
    EXPECT_TRUE(loop->set_timer("end", wall_now() + milliseconds{30}, [&] { loop->stop(); }));
  }));
  EXPECT_EQ(loop->add_reader(in.get(), [] {}).error().code, Errc::exists);
  EXPECT_FALSE(loop->add_reader(9999, [] {}));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(calls, 2);
}

TEST(EventLoop, ALimitedReaderRests) {
  const auto loop = make_loop();
  const UniqueFd always_ready{eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)};
  int calls = 0;
  ASSERT_TRUE(loop->add_reader(always_ready.get(), [&] { ++calls; }, {.interval = seconds{10}, .burst = 5}));
  ASSERT_TRUE(loop->set_timer("end", wall_now() + milliseconds{200}, [&] { loop->stop(); }));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(calls, 5);
  EXPECT_LT(loop->wakeups(), 15U);
}

TEST(EventLoop, PeriodicCallbacksGoOn) {
  const auto loop = make_loop();
  int calls = 0;
  ASSERT_TRUE(loop->every(milliseconds{10}, [&] { if (++calls == 4) loop->stop(); }));
  EXPECT_FALSE(loop->every(milliseconds{0}, [] {}));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_EQ(calls, 4);
}

long voluntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST(EventLoop, AnIdleLoopSleeps) {
  const SignalMask restored;
  const auto loop = make_loop();
  int pings = 0;
  ASSERT_TRUE(loop->every(seconds{1}, [&] { ++pings; }));
  ASSERT_TRUE(loop->set_timer("next pass", wall_now() + seconds{3600}, [] {}));
  ASSERT_TRUE(loop->on_signal(SIGHUP, [] {}));
  const long before = voluntary_switches();
  ASSERT_TRUE(loop->set_timer("end", wall_now() + milliseconds{2500}, [&] { loop->stop(); }));
  EXPECT_TRUE(run_within(*loop));
  EXPECT_GE(pings, 1);
  EXPECT_LE(loop->wakeups(), 8U);
  EXPECT_LE(voluntary_switches() - before, 10);
}

TEST(Clocks, ASuspendAndASetClockAreToldApart) {
  const ClockReading before{.wall = from_unix(1000), .monotonic = seconds{50}, .boottime = seconds{80}};
  const auto later = [&](Duration wall, Duration monotonic, Duration boottime) {
    return ClockReading{
        .wall = before.wall + wall, .monotonic = before.monotonic + monotonic, .boottime = before.boottime + boottime};
  };
  struct { ClockReading after; Duration suspended, jump; } const rows[] = {
      {later(seconds{10}, seconds{10}, seconds{10}), seconds{0}, seconds{0}},
      {later(seconds{10}, seconds{10}, milliseconds{10003}), seconds{0}, seconds{0}},
      {later(seconds{3610}, seconds{10}, seconds{3610}), seconds{3600}, seconds{0}},
      {later(seconds{3610}, seconds{10}, seconds{10}), seconds{0}, seconds{3600}},
      {later(seconds{-50}, seconds{10}, seconds{10}), seconds{0}, seconds{-60}},
      {later(seconds{100}, seconds{10}, seconds{40}), seconds{30}, seconds{60}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(suspended_between(before, row.after), row.suspended);
    EXPECT_EQ(wall_jump(before, row.after), row.jump);
  }
}

TEST(Clocks, AreReadTogether) {
  const ClockReading first = read_clocks(), second = read_clocks();
  EXPECT_LE(std::chrono::abs(first.wall - wall_now()), seconds{5});
  EXPECT_GE(first.boottime, first.monotonic);
  EXPECT_GE(second.monotonic, first.monotonic);
  EXPECT_EQ(suspended_between(first, second), Duration{0});
}

}  // namespace
}  // namespace pgcertd::service::test
