#define SD_JOURNAL_SUPPRESS_LOCATION
#include "service/journal.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "service/message_ids.hpp"

namespace pgcertd::service {
namespace {

constexpr std::size_t longest = 8192;          // bytes of one value
constexpr const char* journal_socket = "/run/systemd/journal/socket";

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::error: return "error";
    case LogLevel::warning: return "warning";
    case LogLevel::notice: return "notice";
    case LogLevel::info: return "info";
    case LogLevel::debug: return "debug";
  }
  return "info";
}

// printable() leaves valid UTF-8 without control characters, so that only these two need an escape.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : printable(text, longest)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// journal_field_valid() of systemd, less the names that the journal keeps for itself.
bool is_field_name(std::string_view name) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (name.empty() || name.size() > 64 || !upper(name.front())) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return upper(c) || (c >= '0' && c <= '9') || c == '_'; });
}

bool write_whole(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::string manager_line(const LogRecord& record) {
  return fmt::format("<{}>{}", static_cast<int>(record.level), printable(record.message, longest));
}

std::string text_line(const LogRecord& record, TimePoint at) {
  return fmt::format("{} {:<7}  {}", to_rfc3339(at), level_name(record.level), printable(record.message, longest));
}

std::string json_line(const LogRecord& record, TimePoint at) {
  std::string out = fmt::format(R"({{"time":"{}","level":"{}")", to_rfc3339(at), level_name(record.level));
  if (!record.event.empty()) fmt::format_to(std::back_inserter(out), R"(,"event":{})", json_string(record.event));
  fmt::format_to(std::back_inserter(out), R"(,"message":{})", json_string(record.message));
  for (const auto& [name, value] : record.fields)
    fmt::format_to(std::back_inserter(out), ",{}:{}", json_string(lower(name)), json_string(value));
  return out + '}';
}

std::vector<std::string> journal_fields(const LogRecord& record) {
  std::vector<std::string> fields{"MESSAGE=" + printable(record.message, longest),
                                  fmt::format("PRIORITY={}", static_cast<int>(record.level)), "SYSLOG_IDENTIFIER=pgcertd"};
  if (const MessageRow* row = message_row(record.event)) fields.push_back(fmt::format("MESSAGE_ID={}", row->id));
  if (!record.event.empty()) fields.push_back("PGCERTD_EVENT=" + printable(record.event));
  for (const auto& [name, value] : record.fields) {
    if (is_field_name(name)) fields.push_back(name + '=' + printable(value, longest));
  }
  return fields;
}

void LineSink::write(const LogRecord& record) noexcept {
  try {
    const std::string line = format_(record) + '\n';
    const std::lock_guard lock{mutex_};
    (void)write_whole(fd_, line);   // a log that cannot be written has nowhere to say so
  } catch (const std::exception&) {  // out of memory: the record is lost, the daemon is not
  }
}

void JournalSink::write(const LogRecord& record) noexcept {
  try {
    const auto fields = journal_fields(record);
    std::vector<iovec> parts;
    for (const std::string& field : fields) parts.push_back({const_cast<char*>(field.data()), field.size()});   // read only
    // Without a journal the call says 0 and the record is gone: hence the look at its socket.
    if (access(journal_socket, F_OK) == 0 && sd_journal_sendv(parts.data(), static_cast<int>(parts.size())) == 0) return;
  } catch (const std::exception&) {  // as in LineSink
  }
  fallback_.write(record);
}

bool stream_is_journal(int fd, const char* journal_stream) {
  struct stat seen {};
  if (journal_stream == nullptr || fstat(fd, &seen) < 0) return false;
  return journal_stream ==
         fmt::format("{}:{}", static_cast<unsigned long long>(seen.st_dev), static_cast<unsigned long long>(seen.st_ino));
}

std::unique_ptr<LogSink> make_log_sink(LogFormat format, const Clock& clock) {
  if (format == LogFormat::json)
    return std::make_unique<LineSink>(STDERR_FILENO, [clock](const LogRecord& record) { return json_line(record, clock()); });
  if (format == LogFormat::automatic) {
    if (stream_is_journal(STDERR_FILENO, std::getenv("JOURNAL_STREAM"))) return std::make_unique<JournalSink>();
    if (std::getenv("INVOCATION_ID") != nullptr) return std::make_unique<LineSink>(STDERR_FILENO, manager_line);
  }
  return std::make_unique<LineSink>(STDERR_FILENO, [clock](const LogRecord& record) { return text_line(record, clock()); });
}

}  // namespace pgcertd::service
