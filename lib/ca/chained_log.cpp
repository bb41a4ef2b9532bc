#include "ca/chained_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "base/fd_io.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"
#include "ca/durable_file.hpp"
#include "x509/digest.hpp"

namespace pgcertd::ca {
namespace {

std::string hash_of(const std::string& before, const LogEntry& entry) {
  return x509::sha256_of(fmt::format("{} {} {} {}", before, entry.number, to_rfc3339(entry.at), entry.text));
}

// The next word of a line; what is left of it stays.
std::string_view take_word(std::string_view& line) {
  const auto end = line.find(' ');
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  return word;
}

Result<LogEntry> parse_line(std::string_view line) {
  LogEntry entry;
  const std::string_view number = take_word(line);
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), entry.number);
  if (error != std::errc() || end != number.data() + number.size()) return fail(Errc::parse, "it does not begin with a number");
  PGCERTD_TRY(entry.at, parse_rfc3339(take_word(line)));
  entry.hash = take_word(line);
  entry.text = line;
  return entry;
}

Result<void> check_line(const std::vector<LogEntry>& before, const LogEntry& entry) {
  const std::string last = before.empty() ? std::string{} : before.back().hash;
  if (entry.number != before.size() + 1) return fail(Errc::invalid, fmt::format("its number is {}", entry.number));
  if (entry.hash != hash_of(last, entry)) return fail(Errc::invalid, "its hash does not fit: it, or one before it, was changed");
  return {};
}

}  // namespace

Result<ChainedLog> ChainedLog::open(const std::string& path) {
  ChainedLog log(path);
  const auto bytes = read_file(path);
  if (!bytes && bytes.error().code == Errc::not_found) return log;
  if (!bytes) return fail(bytes.error());
  std::string_view rest = *bytes;
  while (!rest.empty()) {
    const auto end = rest.find('\n');
    auto entry = parse_line(rest.substr(0, end));
    if (entry)
      if (const auto fits = check_line(log.entries_, *entry); !fits) entry = fail(fits.error());
    if (!entry || end == std::string_view::npos)
      return fail(Errc::invalid, fmt::format("\"{}\", line {}: {}", printable(path, 4096), log.entries_.size() + 1, entry ? "it is cut off" : entry.error().text()),
                  "compare it with the copy on the other medium, and with the last record on paper");
    log.entries_.push_back(std::move(*entry));
    rest.remove_prefix(end + 1);
  }
  return log;
}

Result<void> ChainedLog::append_all(TimePoint at, const std::vector<std::string>& texts) {
  std::vector<LogEntry> added;
  std::string lines, before = head();
  for (const std::string& text : texts) {
    LogEntry entry{entries_.size() + added.size() + 1, at, {}, printable(text, 2000)};
    entry.hash = hash_of(before, entry);
    lines += fmt::format("{} {} {} {}\n", entry.number, to_rfc3339(entry.at), entry.hash, entry.text);
    before = entry.hash;
    added.push_back(std::move(entry));
  }
  constexpr int flags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
  UniqueFd fd(::open(path_.c_str(), flags));
  const bool made = !fd && errno == ENOENT;
  if (made) fd = UniqueFd(::open(path_.c_str(), flags | O_CREAT | O_EXCL, 0600));
  if (!fd) return fail(errno_error("open", path_, errno));
  PGCERTD_CHECK(write_fully(fd.get(), lines, path_));
  if (::fdatasync(fd.get()) != 0) return fail(errno_error("fdatasync", path_, errno));
  if (made || entries_.empty()) PGCERTD_CHECK(sync_directory(parent_of(path_)));   // its name is new
  std::move(added.begin(), added.end(), std::back_inserter(entries_));
  return {};
}

std::string signed_entry(std::string_view what, const CertFacts& certificate) {
  return fmt::format("signed {} serial {} for key {} of \"{}\" until {}", what, certificate.serial, certificate.spki_sha256, certificate.subject, to_rfc3339(certificate.not_after));
}

}  // namespace pgcertd::ca
