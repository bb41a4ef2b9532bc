#include "x509/known_verdicts.hpp"

#include <algorithm>

namespace pgcertd::x509 {
namespace {

constexpr std::size_t most = 64;

}  // namespace

std::optional<ChainVerdict> KnownVerdicts::find(const std::string& question, TimePoint at) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(known_, question, &Known::question);
  if (found == known_.end() || !found->span.holds(at)) return std::nullopt;
  std::rotate(known_.begin(), found, found + 1);
  return known_.front().verdict;
}

void KnownVerdicts::keep(std::string question, const Span& span, const ChainVerdict& verdict) {
  const std::lock_guard lock(mutex_);
  std::erase_if(known_, [&](const Known& one) { return one.question == question; });
  known_.push_front({std::move(question), span, verdict});
  if (known_.size() > most) known_.pop_back();
}

}  // namespace pgcertd::x509
