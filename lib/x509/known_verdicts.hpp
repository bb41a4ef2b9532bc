// What verify_chain() said of the same certificates and CRLs before: each look judges the same few, and most of it is signatures of a
// curve that is slow to verify. Only what was found good is remembered, and only while nothing of it begins or ends: all else
// that is verified does not depend on the time. Any thread.
#pragma once

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "x509/verify.hpp"

namespace pgcertd::x509 {

class KnownVerdicts {
 public:
  // Half open: good from `begin` to before `end`.
  struct Span {
    TimePoint begin{}, end = no_expiry;
    [[nodiscard]] bool holds(TimePoint at) const { return begin <= at && at < end; }
    void narrow(TimePoint from, TimePoint to) { begin = std::max(begin, from), end = std::min(end, to); }
  };

  [[nodiscard]] std::optional<ChainVerdict> find(const std::string& question, TimePoint at);
  void keep(std::string question, const Span& span, const ChainVerdict& verdict);

 private:
  struct Known {
    std::string question;
    Span span;
    ChainVerdict verdict;
  };
  std::mutex mutex_;
  std::deque<Known> known_;   // the one that was asked for last is first
};

}  // namespace pgcertd::x509
