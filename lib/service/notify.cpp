#include "service/notify.hpp"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdint>
#include <ctime>
#include <exception>
#include <string>

#include "base/text.hpp"

namespace pgcertd::service {
namespace {

void send(std::string_view state, std::string_view text) noexcept {
  try {
    // A newline in the text would start a field of its own.
    (void)sd_notify(0, fmt::format("{}STATUS={}", state, printable(text)).c_str());   // nothing can be done about a deaf manager
  } catch (const std::exception&) {
    // Out of memory: the text is lost, the state is not (callers pass literals, which end with a zero byte).
    (void)sd_notify(0, state.data());
  }
}

std::uint64_t monotonic_usec() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000U + static_cast<std::uint64_t>(now.tv_nsec) / 1'000U;
}

}  // namespace

void SystemdNotifier::ready(std::string_view text) noexcept { send("READY=1\n", text); }

void SystemdNotifier::status(std::string_view text) noexcept { send("", text); }

void SystemdNotifier::reloading() noexcept {
  // MONOTONIC_USEC is what Type=notify-reload of systemd 253 wants; older ones ignore it.
  (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", static_cast<unsigned long long>(monotonic_usec()));
}

void SystemdNotifier::stopping() noexcept { (void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping"); }

void SystemdNotifier::watchdog() noexcept { (void)sd_notify(0, "WATCHDOG=1"); }

std::optional<Duration> watchdog_interval() {
  std::uint64_t usec = 0;
  if (sd_watchdog_enabled(0, &usec) <= 0) return std::nullopt;
  return std::chrono::floor<Duration>(std::chrono::microseconds{usec});
}

}  // namespace pgcertd::service
