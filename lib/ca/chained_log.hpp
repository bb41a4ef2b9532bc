// ChainedLog: what a root's key was used for, one line each, every line with a hash over itself and the one before: a line that is
// changed, taken out or put in shows. Its end can be cut off unseen, so the last hash belongs into the record on paper.
// A line: NUMBER TIME HASH TEXT, HASH = SHA-256 of "HASH-BEFORE NUMBER TIME TEXT". One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd::ca {

struct LogEntry {
  std::uint64_t number = 0;        // from 1
  TimePoint at{};
  std::string hash;                // hex
  std::string text;
};

class ChainedLog {
 public:
  // Reads and verifies it; a missing file is an empty log. Errc::invalid names the first line that does not fit.
  static Result<ChainedLog> open(const std::string& path);
  // On the disk when it returns.
  Result<void> append(TimePoint at, const std::string& text) { return append_all(at, {text}); }
  // All of them by one write.
  Result<void> append_all(TimePoint at, const std::vector<std::string>& texts);
  [[nodiscard]] const std::vector<LogEntry>& entries() const { return entries_; }
  [[nodiscard]] std::string head() const { return entries_.empty() ? std::string{} : entries_.back().hash; }

 private:
  explicit ChainedLog(std::string path) : path_(std::move(path)) {}
  std::string path_;
  std::vector<LogEntry> entries_;
};

// What is entered when the root has signed `what` ("an issuing CA").
std::string signed_entry(std::string_view what, const CertFacts& certificate);

}  // namespace pgcertd::ca
