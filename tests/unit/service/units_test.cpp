// Covers lib/service/units.*: against a real dbus-daemon on which this test plays systemd.
#include "service/units.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <systemd/sd-bus.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "base/unique_fd.hpp"
#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

constexpr const char* dbus_daemon = "/usr/bin/dbus-daemon";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";
constexpr const char* manager_path = "/org/freedesktop/systemd1";

// org.freedesktop.systemd1 as far as a reload needs it; the unit's name says what happens. Its jobs end only for a subscriber.
class FakeSystemd {
 public:
  explicit FakeSystemd(const std::string& address) {
    static const sd_bus_vtable table[] = {
        SD_BUS_VTABLE_START(0), SD_BUS_METHOD("Subscribe", "", "", subscribe, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("ReloadUnit", "ss", "o", start_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("RestartUnit", "ss", "o", start_job, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_SIGNAL("JobRemoved", "uoss", 0), SD_BUS_VTABLE_END};
    EXPECT_GE(sd_bus_new(&bus_), 0);
    EXPECT_GE(sd_bus_set_address(bus_, address.c_str()), 0);
    EXPECT_GE(sd_bus_set_bus_client(bus_, 1), 0);
    EXPECT_GE(sd_bus_start(bus_), 0);
    EXPECT_GE(sd_bus_add_object_vtable(bus_, nullptr, manager_path, manager, table, this), 0);
    EXPECT_GE(sd_bus_request_name(bus_, "org.freedesktop.systemd1", 0), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~FakeSystemd() {
    done_ = true;
    thread_.join();
    sd_bus_flush_close_unref(bus_);
  }
  FakeSystemd(const FakeSystemd&) = delete;
  FakeSystemd& operator=(const FakeSystemd&) = delete;

  std::string last_call;   // read after the call it tells of

 private:
  void serve() {
    while (!done_) {
      while (sd_bus_process(bus_, nullptr) > 0) {}
      if (!ending_.empty()) end_job();
      sd_bus_wait(bus_, 20'000);
    }
  }
  void removed(const char* job, const char* result) {
    sd_bus_emit_signal(bus_, manager_path, manager, "JobRemoved", "uoss", 1U, job, "some.service", result);
  }
  void end_job() {
    removed("/org/freedesktop/systemd1/job/999", "done");   // of somebody else
    removed("/org/freedesktop/systemd1/job/7", ending_.c_str());
    ending_.clear();
  }
  static int subscribe(sd_bus_message* message, void* data, sd_bus_error*) {
    static_cast<FakeSystemd*>(data)->subscribed_ = true;
    return sd_bus_reply_method_return(message, "");
  }
  static int start_job(sd_bus_message* message, void* data, sd_bus_error* error) {
    auto* self = static_cast<FakeSystemd*>(data);
    const char* unit = nullptr;
    const char* mode = nullptr;
    if (sd_bus_message_read(message, "ss", &unit, &mode) < 0) return -EINVAL;
    self->last_call = std::string(sd_bus_message_get_member(message)) + ' ' + unit + ' ' + mode;
    const std::string name = unit;
    if (name == "mute.service") return 1;   // no answer at all
    if (name == "absent.service")
      return sd_bus_error_set(error, "org.freedesktop.systemd1.NoSuchUnit", "Unit absent.service not found.");
    if (name == "denied.service")
      return sd_bus_error_set(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, "Interactive authentication required.");
    if (name == "strange.service") return sd_bus_error_set(error, "org.example.Strange", "Odd\nthings.");
    const std::string result = name.substr(0, name.find('.'));
    if (result == "quick") self->removed("/org/freedesktop/systemd1/job/7", "done");   // ends before the reply
    else if (result != "endless" && self->subscribed_) self->ending_ = result;
    return sd_bus_reply_method_return(message, "o", "/org/freedesktop/systemd1/job/7");
  }

  sd_bus* bus_ = nullptr;
  bool subscribed_ = false;
  std::string ending_;
  std::atomic<bool> done_{false};
  std::thread thread_;
};

// A private system bus.
class Bus {
 public:
  Bus() {
    write_file(dir_.path("bus.conf"), "<busconfig><type>system</type><listen>unix:path=" + dir_.path("bus") +
               "</listen><auth>EXTERNAL</auth><policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/>"
               "<allow eavesdrop=\"true\"/><allow own=\"*\"/></policy></busconfig>");
    const std::string config = "--config-file=" + dir_.path("bus.conf");
    const char* arguments[] = {dbus_daemon, config.c_str(), "--nofork", "--nopidfile", "--print-address=3", nullptr};
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd in{ends[0]};
    UniqueFd out{ends[1]};
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out.get(), 3);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);   // it warns of its limits
    EXPECT_EQ(posix_spawn(&pid_, dbus_daemon, &actions, nullptr, const_cast<char**>(arguments), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    out.reset();
    char address[512];
    EXPECT_GT(read(in.get(), address, sizeof address), 0) << "dbus-daemon did not start";   // printed once it listens
  }
  ~Bus() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;
  [[nodiscard]] std::string address() const { return "unix:path=" + dir_.path("bus"); }

 private:
  TempDir dir_;
  pid_t pid_ = -1;
};

class Units : public testing::Test {
 protected:
  void SetUp() override {
    if (access(dbus_daemon, X_OK) != 0) GTEST_SKIP() << "dbus-daemon is not installed";
    bus_ = std::make_unique<Bus>();
    env_ = std::make_unique<Env>("DBUS_SYSTEM_BUS_ADDRESS", bus_->address().c_str());
  }
  std::unique_ptr<Bus> bus_;
  std::unique_ptr<Env> env_;
};

TEST_F(Units, ReloadAndRestartWaitForTheirOwnJob) {
  FakeSystemd systemd(bus_->address());
  auto result = reload_unit("done.service", seconds{10});
  EXPECT_TRUE(result) << result.error().text();
  EXPECT_EQ(systemd.last_call, "ReloadUnit done.service replace");
  result = restart_unit("quick.service", seconds{10});
  EXPECT_TRUE(result) << result.error().text();
  EXPECT_EQ(systemd.last_call, "RestartUnit quick.service replace");
}

TEST_F(Units, EachFailureSaysWhyAndWhatToDo) {
  FakeSystemd systemd(bus_->address());
  struct { const char* unit; Errc code; const char* text; const char* remedy; } const rows[] = {
      {"failed.service", Errc::refused, "ended as \"failed\"", "journalctl -u failed.service"},
      {"invalid.service", Errc::refused, "ended as \"invalid\"", "systemctl status invalid.service"},
      {"timeout.service", Errc::timeout, "ended as \"timeout\"", "systemctl status"},
      {"absent.service", Errc::not_found, "Unit absent.service not found", "systemctl list-units"},
      {"denied.service", Errc::permission, "Interactive authentication required", "polkit-1/rules.d"},
      {"strange.service", Errc::refused, "Odd\\x0athings.", "systemctl status"},
  };
  for (const auto& row : rows) {
    const auto result = reload_unit(row.unit, seconds{10});
    ASSERT_FALSE(result) << row.unit;
    EXPECT_EQ(result.error().code, row.code) << result.error().text();
    EXPECT_NE(result.error().text().find(row.text), std::string::npos) << result.error().text();
    EXPECT_NE(result.error().remedy.find(row.remedy), std::string::npos) << result.error().remedy;
  }
}

TEST_F(Units, TheDeadlineHoldsForAMuteSystemdAndForAnEndlessJob) {
  FakeSystemd systemd(bus_->address());
  for (const char* unit : {"mute.service", "endless.service"}) {
    const auto result = reload_unit(unit, milliseconds{200});
    ASSERT_FALSE(result) << unit;
    EXPECT_EQ(result.error().code, Errc::timeout) << result.error().text();
  }
}

TEST_F(Units, AStopOfTheDaemonEndsTheWaitForAnAnswerAndForAJob) {
  FakeSystemd systemd(bus_->address());
  const UniqueFd stop{eventfd(1, EFD_CLOEXEC)};
  for (const char* unit : {"mute.service", "endless.service"}) {
    const auto result = restart_unit(unit, seconds{600}, stop.get());
    ASSERT_FALSE(result) << unit;
    EXPECT_EQ(result.error().code, Errc::cancelled) << result.error().text();
  }
}

TEST_F(Units, ABusWithoutSystemdIsSaidSo) {
  const auto result = reload_unit("done.service", seconds{5});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::network) << result.error().text();
}

TEST(UnitsWithoutABus, AreAnErrorWithARemedy) {
  const Env env{"DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus"};
  const auto result = reload_unit("postgresql.service", seconds{5});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::network);
  EXPECT_NE(result.error().text().find("system bus"), std::string::npos) << result.error().text();
  EXPECT_FALSE(result.error().remedy.empty());
}

}  // namespace
}  // namespace pgcertd::service::test
