// Log sinks: the journal with its fields, or lines on a descriptor. Each is thread-safe; a record that cannot be written is lost.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/log.hpp"
#include "base/time.hpp"

namespace pgcertd::service {

using Clock = std::function<TimePoint()>;

// "<4>message": what a service manager turns into priorities, should stderr lead to a log of it.
std::string manager_line(const LogRecord& record);
// "2026-01-01T00:00:00Z warning  message": for people.
std::string text_line(const LogRecord& record, TimePoint at);
// One JSON object: time, level, event (where there is one), message, and the fields by their names in lower case.
std::string json_line(const LogRecord& record, TimePoint at);
// "NAME=value" as sd_journal_sendv(3) takes them; fields with names that the journal would refuse are left out.
std::vector<std::string> journal_fields(const LogRecord& record);

// Lines on a descriptor that stays the caller's.
class LineSink final : public LogSink {
 public:
  using Format = std::function<std::string(const LogRecord&)>;   // without the newline
  LineSink(int fd, Format format) : fd_(fd), format_(std::move(format)) {}
  void write(const LogRecord& record) noexcept override;

 private:
  std::mutex mutex_;                  // lines stay whole
  const int fd_;
  const Format format_;
};

// The journal itself; what it does not take goes to stderr.
class JournalSink final : public LogSink {
 public:
  void write(const LogRecord& record) noexcept override;

 private:
  LineSink fallback_{2, manager_line};
};

enum class LogFormat { automatic, text, json };

// Whether `fd` is the stream that $JOURNAL_STREAM ("device:inode") names: stderr may have been redirected since.
bool stream_is_journal(int fd, const char* journal_stream);
// automatic: the journal when stderr leads there, else "<N>" lines under systemd, else text.
std::unique_ptr<LogSink> make_log_sink(LogFormat format, const Clock& clock);

}  // namespace pgcertd::service
