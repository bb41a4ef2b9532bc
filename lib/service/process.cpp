#include "service/process.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

namespace pgcertd::service {

Result<void> harden_process() {
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) return fail(errno_error("prctl", "PR_SET_DUMPABLE", errno));
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  if (setrlimit(RLIMIT_CORE, &none) < 0) return fail(errno_error("setrlimit", "RLIMIT_CORE", errno));
  umask(077);
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) return fail(errno_error("signal", "SIGPIPE", errno));
  return {};
}

Result<Capabilities> parse_capabilities(std::string_view status) {
  constexpr std::string_view label = "CapEff:\t";
  const auto at = status.starts_with(label) ? 0 : status.find("\nCapEff:\t");
  if (at == std::string_view::npos) return fail(Errc::parse, "/proc/self/status: no line CapEff");
  std::string_view value = status.substr(at + label.size() + (at == 0 ? 0 : 1));
  value = value.substr(0, value.find('\n'));
  std::uint64_t mask = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), mask, 16);
  if (error != std::errc{} || end != value.data() + value.size())
    return fail(Errc::parse, "/proc/self/status: CapEff is no hexadecimal number");
  const auto has = [mask](unsigned capability) { return ((mask >> capability) & 1U) != 0; };
  return Capabilities{.chown = has(CAP_CHOWN), .fowner = has(CAP_FOWNER), .dac_read_search = has(CAP_DAC_READ_SEARCH),
                      .dac_override = has(CAP_DAC_OVERRIDE)};
}

Result<Capabilities> capabilities() {
  std::ifstream file("/proc/self/status");
  const std::string status{std::istreambuf_iterator<char>(file), {}};
  if (status.empty()) return fail(Errc::io, "read \"/proc/self/status\": nothing came");
  return parse_capabilities(status);
}

}  // namespace pgcertd::service
