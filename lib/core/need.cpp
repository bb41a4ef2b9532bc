// Need: why a new leaf is wanted. The order of `need_rules` is the order of need_table(), which a test checks.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/hash.hpp"
#include "base/text.hpp"
#include "core/plan.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;

struct Case {
  const Desired& desired;
  const Observation& seen;
  const GenerationSeen* current;
  const LeafJudgement* judgement;
  std::optional<TimePoint> renew_at;
  TimePoint now;

  [[nodiscard]] const CertFacts& leaf() const { return current->chain.front(); }
};

using Why = std::optional<std::string>;   // the reason when the need stands
struct NeedRule {
  Need need;
  Why (*stands)(const Case&);
};

Why absent(const Case& c) {
  if (c.current == nullptr) return "no generation is current";
  if (c.current->chain.empty()) return fmt::format("generation {} has no readable certificate: {}", c.current->id, c.current->incomplete_why);
  if (c.current->origin == Origin::adopted) return "the current generation is a copy of what was there before";
  if (c.seen.memory.is_refused(c.current->id)) return fmt::format("generation {} was refused", c.current->id);
  return std::nullopt;
}

Why mismatch(const Case& c) {
  if (c.current->changed && may_replace(c.desired, c.seen)) return "somebody replaced its files: " + c.current->incomplete_why;
  if (c.current->key_denied) return std::nullopt;   // unknown is no reason to replace what works
  if (c.current->key_spki_sha256.empty()) return "its key is missing or unreadable";
  if (c.judgement == nullptr) return std::nullopt;
  if (!c.judgement->key_matches) return "certificate and key do not belong together";
  if (!c.judgement->loads) return "PostgreSQL could not load it: " + c.judgement->load_error;
  return std::nullopt;
}

Why expired(const Case& c) {
  const TimePoint end = c.judgement ? std::min(c.leaf().not_after, c.judgement->chain_not_after) : c.leaf().not_after;
  if (c.now < end) return std::nullopt;
  return "it expired at " + to_rfc3339(end);
}

Why not_yet_valid(const Case& c) {
  if (c.now >= c.leaf().not_before) return std::nullopt;
  return "it is valid only from " + to_rfc3339(c.leaf().not_before);
}

Why untrusted(const Case& c) {
  if (c.judgement == nullptr || c.judgement->chain_ok) return std::nullopt;
  return "its chain does not verify: " + c.judgement->chain_error;
}

Why wrong_names(const Case& c) {
  if (c.judgement == nullptr || c.judgement->missing_names.empty()) return std::nullopt;
  return fmt::format("it does not hold the name {}", printable(c.judgement->missing_names.front()));
}

Why revoked(const Case& c) {
  if (c.judgement == nullptr || !c.judgement->revoked) return std::nullopt;
  return "its issuer has revoked it";
}

Why weak(const Case& c) {
  if (c.judgement != nullptr && c.judgement->weak) return c.judgement->weak_why;
  if (c.leaf().key_type == c.desired.cluster.key_type) return std::nullopt;
  return fmt::format("its key is {}, wanted is {}", c.leaf().key_name, to_string(c.desired.cluster.key_type));
}

Why signer_changed(const Case& c) {
  if (!c.seen.issuer.issuing || c.seen.issuer.issuing->subject_key_id == c.leaf().authority_key_id) return std::nullopt;
  return "the issuer signs with another CA now";
}

Why asked(const Case& c) {
  if (!c.seen.memory.rotate_asked_at) return std::nullopt;
  return "an operator asked for it at " + to_rfc3339(*c.seen.memory.rotate_asked_at);
}

Why due(const Case& c) {
  if (!c.renew_at || c.now < *c.renew_at) return std::nullopt;
  return "its renewal was planned for " + to_rfc3339(*c.renew_at);
}

Why always(const Case&) { return "nothing is wanted"; }

constexpr std::array<NeedRule, 12> need_rules{{
    {Need::absent, absent}, {Need::mismatch, mismatch}, {Need::expired, expired}, {Need::not_yet_valid, not_yet_valid},
    {Need::untrusted, untrusted}, {Need::wrong_names, wrong_names}, {Need::revoked, revoked}, {Need::weak, weak},
    {Need::signer_changed, signer_changed}, {Need::asked, asked}, {Need::due, due}, {Need::none, always},
}};

}  // namespace

namespace {

// A person has to carry the request to the root and back; never so early that each new certificate is due at once.
Duration request_lead(const Desired& desired, Duration until_renewal) {
  return desired.issuer_type == IssuerType::offline ? std::min(desired.request_lead, until_renewal / 2) : Duration::zero();
}

}  // namespace

TimePoint renewal_time(const CertFacts& leaf, const Desired& desired, TimePoint chain_not_after) {
  const TimePoint end = std::min(leaf.not_after, chain_not_after);
  if (end >= no_expiry) return no_expiry;
  // The profile backdates notBefore by min(1 h, lifetime / 10): total = lifetime + lifetime / 10 for a short one.
  const Duration backdated = std::min<Duration>(1h, (leaf.not_after - leaf.not_before) / 11);
  const TimePoint issued = leaf.not_before + backdated;
  const Duration life = std::max<Duration>(end - issued, 0ms);
  const auto until_renewal = Duration{static_cast<std::int64_t>(static_cast<double>(life.count()) * desired.cluster.renew_at)};
  const Duration most = std::min(life / 20, until_renewal / 4);
  const auto jitter = Duration{static_cast<std::int64_t>(Fnv1a().add(desired.cluster.name).add(leaf.fingerprint_sha256).value() % 1000) * most.count() / 1000};
  return issued + until_renewal - jitter - request_lead(desired, until_renewal);
}

NeedOf need_of(const Desired& desired, const Observation& seen, TimePoint now) {
  Case c{desired, seen, seen.generations.live(), seen.current ? &*seen.current : nullptr, std::nullopt, now};
  if (c.current != nullptr && !c.current->chain.empty() && c.current->origin != Origin::adopted)
    c.renew_at = renewal_time(c.leaf(), desired, c.judgement ? c.judgement->chain_not_after : no_expiry);
  for (const NeedRule& rule : need_rules)
    if (Why why = rule.stands(c)) return {rule.need, std::move(*why), c.renew_at};
  return {Need::none, {}, c.renew_at};
}

}  // namespace pgcertd
