// LogSink: where the reconciler and the programs say what happened. Rooms return errors and never log.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgcertd {

// syslog(3) priorities.
enum class LogLevel : int { error = 3, warning = 4, notice = 5, info = 6, debug = 7 };

struct LogRecord {
  LogLevel level = LogLevel::info;
  std::string message;                                         // printable, one line, no secret
  std::string event;                                           // kind of event ("rotation-proved"), or empty
  std::vector<std::pair<std::string, std::string>> fields;     // "PGCERTD_CLUSTER" → "main"
};

// Thread-safe in each implementation; never throws, never blocks for long.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(const LogRecord& record) noexcept = 0;
};

}  // namespace pgcertd
