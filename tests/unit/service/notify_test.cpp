// Covers lib/service/notify.*, heartbeat.*
#include "service/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <thread>
#include <vector>

#include "base/unique_fd.hpp"
#include "service/heartbeat.hpp"
#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

// The service manager's end of $NOTIFY_SOCKET.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dir_.path("notify").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  std::string heard() {
    char buffer[4096];
    const ssize_t size = recv(socket_.get(), buffer, sizeof buffer, 0);
    return size < 0 ? "" : std::string(buffer, static_cast<std::size_t>(size));
  }

 private:
  TempDir dir_;
  UniqueFd socket_;
  Env env_{"NOTIFY_SOCKET", dir_.path("notify").c_str()};
};

TEST(SystemdNotifier, SaysWhatTheProtocolWants) {
  Manager manager;
  SystemdNotifier notifier;
  notifier.ready("2 clusters");
  EXPECT_EQ(manager.heard(), "READY=1\nSTATUS=2 clusters");
  notifier.status("main: proved");
  EXPECT_EQ(manager.heard(), "STATUS=main: proved");
  notifier.status("one\nREADY=1");
  EXPECT_EQ(manager.heard(), "STATUS=one\\x0aREADY=1") << "a text must not carry fields";
  notifier.watchdog();
  EXPECT_EQ(manager.heard(), "WATCHDOG=1");
  notifier.stopping();
  EXPECT_TRUE(manager.heard().starts_with("STOPPING=1\n"));
}

TEST(SystemdNotifier, AReloadCarriesItsMoment) {
  Manager manager;
  SystemdNotifier{}.reloading();
  const std::string heard = manager.heard();
  ASSERT_TRUE(heard.starts_with("RELOADING=1\nMONOTONIC_USEC=")) << heard;
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  EXPECT_NEAR(std::stod(heard.substr(heard.rfind('=') + 1)) / 1e6, static_cast<double>(now.tv_sec), 5.0);
}

TEST(SystemdNotifier, WithoutAManagerNothingHappens) {
  for (const char* nowhere : {static_cast<const char*>(nullptr), "/nonexistent/socket", "nonsense", ""}) {
    const Env env{"NOTIFY_SOCKET", nowhere};
    SystemdNotifier notifier;
    notifier.ready("x");
    notifier.watchdog();
    notifier.stopping();
  }
}

TEST(WatchdogInterval, IsReadWhenItIsMeantForUs) {
  const std::string us = std::to_string(getpid());
  struct { const char* usec; const char* pid; std::optional<Duration> expected; } const rows[] = {
      {"30000000", us.c_str(), seconds{30}}, {"30000000", nullptr, seconds{30}}, {"30000000", "1", std::nullopt},
      {nullptr, nullptr, std::nullopt}, {"soon", nullptr, std::nullopt}, {"0", nullptr, std::nullopt},
  };
  for (const auto& row : rows) {
    const Env usec{"WATCHDOG_USEC", row.usec}, pid{"WATCHDOG_PID", row.pid};
    EXPECT_EQ(watchdog_interval(), row.expected) << (row.usec != nullptr ? row.usec : "unset");
  }
}

const SteadyTime start{std::chrono::hours{1}};

TEST(Heartbeats, OnlyABusyWorkerCanBeStale) {
  Heartbeats hearts;
  hearts.beat("busy", start);
  hearts.beat("waiting", start);
  hearts.idle("waiting");
  hearts.beat("ended", start);
  hearts.forget("ended");
  EXPECT_TRUE(hearts.stale(start + seconds{60}, seconds{60}).empty());
  EXPECT_EQ(hearts.stale(start + seconds{61}, seconds{60}), std::vector<std::string>{"busy"});
  hearts.beat("busy", start + seconds{61});
  EXPECT_TRUE(hearts.stale(start + seconds{121}, seconds{60}).empty());
  hearts.beat("waiting", start + seconds{61});
  EXPECT_EQ(hearts.stale(start + seconds{200}, seconds{60}), (std::vector<std::string>{"busy", "waiting"}));
}

struct CountingNotifier final : Notifier {
  int pings = 0;
  void ready(std::string_view) noexcept override {}
  void status(std::string_view) noexcept override {}
  void reloading() noexcept override {}
  void stopping() noexcept override {}
  void watchdog() noexcept override { ++pings; }
};

TEST(Heartbeats, TheWatchdogIsFedOnlyWhileAllLive) {
  Heartbeats hearts;
  CountingNotifier notifier;
  EXPECT_TRUE(ping_while_alive(hearts, notifier, start, seconds{60}).empty());
  hearts.beat("cluster:main", start);
  EXPECT_TRUE(ping_while_alive(hearts, notifier, start + seconds{30}, seconds{60}).empty());
  EXPECT_EQ(ping_while_alive(hearts, notifier, start + seconds{90}, seconds{60}), std::vector<std::string>{"cluster:main"});
  EXPECT_EQ(notifier.pings, 2);
}

TEST(Heartbeats, BeatFromManyThreads) {
  Heartbeats hearts;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&hearts, name = std::to_string(t)] {
      for (int i = 0; i < 1000; ++i) i % 2 != 0 ? hearts.beat(name, start) : hearts.idle(name);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(hearts.pulses().size(), 4U);
}

}  // namespace
}  // namespace pgcertd::service::test
