#include "service/units.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "service/sd_ptr.hpp"

namespace pgcertd::service {
namespace {

using Steady = std::chrono::steady_clock;

constexpr const char* systemd_name = "org.freedesktop.systemd1";
constexpr const char* manager_path = "/org/freedesktop/systemd1";
constexpr const char* manager = "org.freedesktop.systemd1.Manager";

struct BusErrorFree {
  sd_bus_error error{};
  BusErrorFree() = default;
  BusErrorFree(const BusErrorFree&) = delete;
  BusErrorFree& operator=(const BusErrorFree&) = delete;
  ~BusErrorFree() { sd_bus_error_free(&error); }
};

// Jobs that ended while we waited; ours may end before its path is known.
struct Ended {
  std::vector<std::pair<std::string, std::string>> jobs;          // path, result
};

int on_job_removed(sd_bus_message* message, void* data, sd_bus_error*) {
  std::uint32_t id = 0;
  const char* path = nullptr;
  const char* unit = nullptr;
  const char* result = nullptr;
  if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0)
    static_cast<Ended*>(data)->jobs.emplace_back(path, result);
  return 0;
}

struct Request {
  const char* method;                 // of the manager
  const char* verb;                   // of systemctl and polkit
  const std::string& unit;
  Steady::time_point end;
  int stop_fd;

  [[nodiscard]] std::string name() const { return fmt::format("systemd: {} {}", verb, printable(unit)); }
  [[nodiscard]] std::uint64_t usec_left() const {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(end - Steady::now());
    return static_cast<std::uint64_t>(std::max<std::int64_t>(left.count(), 1));
  }
};

Error no_bus(const Request& request, int saved_errno) {
  return make_error(Errc::network, fmt::format("{}: the system bus cannot be reached: {}", request.name(),
                                               std::generic_category().message(saved_errno)),
                    "start dbus, or set reload = \"sql\" for the cluster");
}

Error timed_out(const Request& request, std::string_view what) {
  return make_error(Errc::timeout, fmt::format("{}: {} in time", request.name(), what),
                    fmt::format("systemctl status {}", printable(request.unit)));
}

struct BusErrorRow {
  std::string_view bus_name;
  Errc code;
};
constexpr std::array bus_errors{
    BusErrorRow{"org.freedesktop.systemd1.NoSuchUnit", Errc::not_found},
    BusErrorRow{"org.freedesktop.systemd1.LoadFailed", Errc::not_found},
    BusErrorRow{"org.freedesktop.systemd1.UnitMasked", Errc::refused},
    BusErrorRow{"org.freedesktop.systemd1.JobTypeNotApplicable", Errc::refused},
    BusErrorRow{SD_BUS_ERROR_ACCESS_DENIED, Errc::permission},
    BusErrorRow{SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, Errc::permission},
    BusErrorRow{SD_BUS_ERROR_NO_REPLY, Errc::timeout},
    BusErrorRow{SD_BUS_ERROR_TIMEOUT, Errc::timeout},
    BusErrorRow{SD_BUS_ERROR_INVALID_ARGS, Errc::invalid},
    BusErrorRow{SD_BUS_ERROR_SERVICE_UNKNOWN, Errc::network},
    BusErrorRow{SD_BUS_ERROR_NAME_HAS_NO_OWNER, Errc::network},
};

std::string remedy_for(Errc code, const Request& request) {
  const std::string unit = printable(request.unit);
  switch (code) {
    case Errc::permission:
      return fmt::format(
          "allow pgcertd's user the action org.freedesktop.systemd1.manage-units with unit \"{}\" and verb \"{}\" by a "
          "rule in /etc/polkit-1/rules.d (OPERATING.md shows one; the unit must not use DynamicUser)",
          unit, request.verb);
    case Errc::not_found: return "systemctl list-units --all 'postgresql*' shows the names";
    case Errc::network: return "systemd does not answer on this bus: set reload = \"sql\" for the cluster";
    default: return fmt::format("systemctl status {}", unit);
  }
}

// `result` is the negative errno of sd_bus_call*.
Error call_error(const Request& request, const sd_bus_error& error, int result) {
  if (result == -ETIMEDOUT) return timed_out(request, "no answer came");
  if (error.name == nullptr) return no_bus(request, -result);
  const auto* row =
      std::find_if(bus_errors.begin(), bus_errors.end(), [&](const auto& each) { return each.bus_name == error.name; });
  const Errc code = row == bus_errors.end() ? Errc::refused : row->code;
  return make_error(code, fmt::format("{}: {}", request.name(), printable(error.message != nullptr ? error.message : error.name)),
                    remedy_for(code, request));
}

Result<BusPtr> open_bus(const Request& request) {
  sd_bus* raw = nullptr;
  if (const int result = sd_bus_open_system(&raw); result < 0) return fail(no_bus(request, -result));
  BusPtr bus{raw};
  (void)sd_bus_set_method_call_timeout(bus.get(), request.usec_left());   // cannot fail for a bus of this thread
  return bus;
}

// systemd sends JobRemoved only while somebody has subscribed.
Result<SlotPtr> watch_jobs(sd_bus* bus, const Request& request, Ended& ended) {
  sd_bus_slot* raw = nullptr;
  if (const int result = sd_bus_match_signal(bus, &raw, systemd_name, manager_path, manager, "JobRemoved", on_job_removed, &ended);
      result < 0)
    return fail(call_error(request, {}, result));
  SlotPtr slot{raw};
  BusErrorFree error;
  if (const int result = sd_bus_call_method(bus, systemd_name, manager_path, manager, "Subscribe", &error.error, nullptr, "");
      result < 0)
    return fail(call_error(request, error.error, result));
  return slot;
}

// What has come in is dealt with, else something is waited for.
Result<void> turn(sd_bus* bus, const Request& request) {
  const int processed = sd_bus_process(bus, nullptr);
  if (processed < 0) return fail(no_bus(request, -processed));
  if (processed > 0) return {};
  if (Steady::now() >= request.end) return fail(timed_out(request, "the job did not end"));
  std::array<pollfd, 2> watched{{{.fd = sd_bus_get_fd(bus), .events = static_cast<short>(sd_bus_get_events(bus)), .revents = 0},
                                 {.fd = request.stop_fd, .events = POLLIN, .revents = 0}}};
  const auto left = static_cast<int>(request.usec_left() / 1000 + 1);
  if (poll(watched.data(), watched.size(), left) < 0 && errno != EINTR) return fail(no_bus(request, errno));
  if (watched[1].revents != 0) return fail(Errc::cancelled, fmt::format("{}: the daemon is stopping, systemd goes on with it", request.name()));
  return {};
}

struct Reply {
  const Request& request;
  std::optional<Result<std::string>> job{};   // its path
};

int on_reply(sd_bus_message* message, void* data, sd_bus_error*) {
  auto& reply = *static_cast<Reply*>(data);
  const char* path = nullptr;
  if (sd_bus_message_is_method_error(message, nullptr) > 0)
    reply.job = fail(call_error(reply.request, *sd_bus_message_get_error(message), -sd_bus_message_get_errno(message)));
  else if (const int result = sd_bus_message_read(message, "o", &path); result < 0)
    reply.job = fail(no_bus(reply.request, -result));
  else
    reply.job = std::string(path);
  return 0;
}

// The answer may take as long as polkit does.
Result<std::string> start_job(sd_bus* bus, const Request& request) {
  Reply reply{request};
  sd_bus_slot* raw = nullptr;
  (void)sd_bus_set_method_call_timeout(bus, request.usec_left());
  if (const int result = sd_bus_call_method_async(bus, &raw, systemd_name, manager_path, manager, request.method, on_reply, &reply, "ss",
                                                  request.unit.c_str(), "replace");
      result < 0)
    return fail(call_error(request, {}, result));
  const SlotPtr slot{raw};
  while (!reply.job) PGCERTD_CHECK(turn(bus, request));
  return std::move(*reply.job);
}

Result<std::string> wait_for_job(sd_bus* bus, const Request& request, const std::string& job, const Ended& ended) {
  for (std::size_t seen = 0;;) {
    for (; seen < ended.jobs.size(); ++seen) {
      if (ended.jobs[seen].first == job) return ended.jobs[seen].second;
    }
    PGCERTD_CHECK(turn(bus, request));
  }
}

Result<void> run(const Request& request) {
  Ended ended;
  PGCERTD_TRY(const BusPtr bus, open_bus(request));
  PGCERTD_TRY(const SlotPtr slot, watch_jobs(bus.get(), request, ended));
  PGCERTD_TRY(const std::string job, start_job(bus.get(), request));
  PGCERTD_TRY(const std::string result, wait_for_job(bus.get(), request, job, ended));
  if (result == "done") return {};
  const Errc code = result == "timeout" ? Errc::timeout : Errc::refused;
  return fail(code, fmt::format("{}: the job ended as \"{}\"", request.name(), printable(result)),
              fmt::format("systemctl status {0}; journalctl -u {0}", printable(request.unit)));
}

}  // namespace

Result<void> reload_unit(const std::string& unit, Duration deadline, int stop_fd) {
  return run({.method = "ReloadUnit", .verb = "reload", .unit = unit, .end = Steady::now() + deadline, .stop_fd = stop_fd});
}

Result<void> restart_unit(const std::string& unit, Duration deadline, int stop_fd) {
  return run({.method = "RestartUnit", .verb = "restart", .unit = unit, .end = Steady::now() + deadline, .stop_fd = stop_fd});
}

}  // namespace pgcertd::service
