#include "engine/crl_source.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.hpp"
#include "base/text.hpp"
#include "core/plan.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::engine {
namespace {

using namespace std::chrono_literals;

constexpr Duration look_at_least = 1h;
constexpr Duration look_at_most = 1min;

std::string pem_of(const std::vector<x509::Crl>& crls) {
  std::string pem;
  for (const x509::Crl& crl : crls) pem += crl.pem();
  return pem;
}

std::vector<CrlFacts> facts_of(const std::vector<x509::Crl>& crls) {
  std::vector<CrlFacts> out;
  for (const x509::Crl& crl : crls) out.push_back(crl.facts());
  return out;
}

}  // namespace

CrlSource::CrlSource(CrlSourceConfig config, ports::Fetch& fetch, Keep keep, const std::string& kept) : config_(std::move(config)), fetch_(fetch), keep_(std::move(keep)) {
  seen_.name = config_.name;
  if (kept.empty()) return;
  if (const auto crls = x509::parse_crls(kept, config_.name)) seen_.crls = facts_of(*crls), seen_.pem = pem_of(*crls);
  else seen_.trouble = "what was kept of it is spoiled: " + printable(crls.error().text());
}

Result<void> CrlSource::accept(const std::string& bytes, TimePoint now) {
  PGCERTD_TRY(const auto crls, x509::parse_crls(bytes, "what was sent"));
  for (const x509::Crl& crl : crls)
    if (const std::string fault = crl_fault(crl.facts(), now); !fault.empty()) return fail(Errc::refused, fmt::format("the CRL of {}: {}", printable(crl.facts().issuer, 128), fault));
  std::vector<CrlFacts> facts = facts_of(crls);
  if (const std::string fault = crls_follow(seen_.crls, facts); !fault.empty()) return fail(Errc::refused, fault);
  std::string pem = pem_of(crls);
  PGCERTD_CHECK(keep_(pem));
  seen_.crls = std::move(facts);
  seen_.pem = std::move(pem);
  return {};
}

Result<void> CrlSource::fetch_from(const std::string& url, TimePoint now) {
  Validators& validators = validators_[url];
  auto answer = fetch_.get({.url = url, .etag = validators.etag, .last_modified = validators.last_modified});
  if (!answer) return fail(std::move(answer).error());
  if (answer->not_modified) return {};
  PGCERTD_CHECK(within(accept(answer->body, now), printable(url, 300)));
  validators = {std::move(answer->etag), std::move(answer->last_modified)};
  return {};
}

TimePoint CrlSource::tick(TimePoint now) {
  std::string troubles;
  for (const std::string& url : config_.urls) {
    const auto done = fetch_from(url, now);
    if (done) {
      seen_.trouble.clear();
      seen_.fetched_at = now;
      failures_ = 0;
      return next_look(now);
    }
    troubles += (troubles.empty() ? "" : "; ") + done.error().text();
  }
  seen_.trouble = printable(troubles, 1000);
  ++failures_;
  return next_look(now);
}

// Often enough that a CRL is renewed in the first half of what is left of it; not all hosts at once.
TimePoint CrlSource::next_look(TimePoint now) const {
  Duration wait = look_at_least;
  if (failures_ > 0) wait = backoff(failures_, look_at_most);
  else
    for (const CrlFacts& crl : seen_.crls)
      if (crl.next_update) wait = std::min<Duration>(wait, (*crl.next_update - now) / 2);
  wait = std::max<Duration>(wait, look_at_most);
  return now + wait - wait / 10 * static_cast<std::int64_t>(Fnv1a().add(config_.name).add(std::to_string(failures_)).value() % 10) / 10;
}

}  // namespace pgcertd::engine
