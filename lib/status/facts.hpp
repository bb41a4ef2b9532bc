// What a rendering needs beside the Snapshot: which program this is, what the process uses, what was counted. Values only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/time.hpp"

namespace pgcertd::status {

struct BuildInfo {
  std::string version;      // "0.1.0"
  std::string revision;     // of the source, or empty
  std::string compiler;     // or empty
  std::string boot_id;      // random at each start of the daemon: with the snapshot's version it is the ETag
};

// As /proc/self tells; a zero means unknown and is left out.
struct ProcessFacts {
  double cpu_seconds = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_fds = 0;
  std::uint64_t max_fds = 0;
  std::uint64_t threads = 0;
  TimePoint started_at{};
  std::optional<bool> clock_synchronized{};   // nullopt: the kernel did not tell
};

struct Counters {
  std::map<std::pair<std::string, std::string>, std::uint64_t> http_requests{};   // by (handler, code)
};

}  // namespace pgcertd::status
