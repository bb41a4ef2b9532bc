// What the process must be before it touches a key, and what the kernel lets it do.
#pragma once

#include <string_view>

#include "base/result.hpp"

namespace pgcertd::service {

// No core dump, no ptrace by its own user, umask 077, SIGPIPE ignored. Before any other thread starts.
Result<void> harden_process();

struct Capabilities {
  bool chown = false;
  bool fowner = false;
  bool dac_read_search = false;
  bool dac_override = false;
  bool operator==(const Capabilities&) const = default;
};

// From the line CapEff of /proc/PID/status.
Result<Capabilities> parse_capabilities(std::string_view status);
// The effective ones of this process.
Result<Capabilities> capabilities();

}  // namespace pgcertd::service
