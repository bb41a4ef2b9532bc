#include "core/runway.hpp"

#include <algorithm>

namespace pgcertd {
namespace {

// One thing that ends, and the moment from which the plan wants the root for it.
struct Limit {
  RunwayLimit kind;
  TimePoint ends_at;
  TimePoint needed_at;
};

// The moment at `numerator`/`denominator` of a life. Divided first: a life may be 8000 years of milliseconds.
TimePoint part_of(TimePoint from, TimePoint to, int numerator, int denominator) {
  return from + (to - from) / denominator * numerator;
}

void add(Runway& runway, const Limit& limit) {
  if (limit.ends_at == no_expiry) return;
  if (!runway.ends_at || limit.ends_at < *runway.ends_at) {
    runway.ends_at = limit.ends_at;
    runway.limited_by = limit.kind;
  }
  runway.needed_at = runway.needed_at ? std::min(*runway.needed_at, limit.needed_at) : limit.needed_at;
}

// A root's CRL is signed at each visit for a year and more; its last quarter is when a visit cannot be put off for long.
TimePoint last_quarter(const CrlFacts& crl) { return part_of(crl.this_update, *crl.next_update, 3, 4); }

void add(Runway& runway, RunwayLimit kind, const std::optional<CertFacts>& cert) {
  if (cert) add(runway, {kind, cert->not_after, half_life(*cert)});
}

}  // namespace

std::string_view to_string(RunwayLimit limit) noexcept {
  switch (limit) {
    case RunwayLimit::issuing_ca: return "issuing_ca";
    case RunwayLimit::root_ca: return "root_ca";
    case RunwayLimit::root_crl: return "root_crl";
    case RunwayLimit::leaf: return "leaf";
  }
  return "issuing_ca";
}

// The issuing CA re-signs leaves and its own CRL without the root, so that with a local issuer neither limits anything.
Runway runway(const IssuerSeen& issuer, IssuerType type, const std::optional<CertFacts>& leaf, std::optional<TimePoint> leaf_wanted_at) {
  Runway result;
  if (type == IssuerType::self_signed) return result;
  add(result, RunwayLimit::issuing_ca, issuer.issuing);
  add(result, RunwayLimit::root_ca, issuer.root);
  if (issuer.root_crl && issuer.root_crl->next_update) add(result, {RunwayLimit::root_crl, *issuer.root_crl->next_update, last_quarter(*issuer.root_crl)});
  if (type == IssuerType::offline && leaf) add(result, {RunwayLimit::leaf, leaf->not_after, leaf_wanted_at.value_or(half_life(*leaf))});
  return result;
}

IssuerSeen as_installed(const IssuerSeen& issuer, const GenerationSeen* installed) {
  IssuerSeen out;
  out.issuing = issuer.issuing, out.root = issuer.root, out.root_crl = issuer.root_crl;
  const bool unread = !issuer.available && !issuer.issuing && !issuer.root;
  if (!unread || installed == nullptr || installed->origin == Origin::adopted) return out;
  if (installed->chain.size() > 1) out.issuing = installed->chain[1];
  if (!installed->roots.empty()) out.root = installed->roots.front();
  for (const CrlFacts& crl : installed->crls)
    if (out.root && crl.issuer == out.root->subject) out.root_crl = crl;
  return out;
}

TimePoint half_life(const CertFacts& authority) { return part_of(authority.not_before, authority.not_after, 1, 2); }

std::vector<RootWant> root_wants(const IssuerSeen& issuer) {
  std::vector<RootWant> out;
  const auto want = [&](std::string what, TimePoint from, TimePoint to, TimePoint needed) {
    if (to < no_expiry) out.push_back({std::move(what), needed, to, needed - from, to - from});
  };
  if (issuer.issuing) want("a new certificate of the issuing CA", issuer.issuing->not_before, issuer.issuing->not_after, half_life(*issuer.issuing));
  if (const auto& crl = issuer.root_crl; crl && crl->next_update) want("a new CRL of the root", crl->this_update, *crl->next_update, last_quarter(*crl));
  return out;
}

std::vector<RootWant> leaf_want(const std::string& cluster, const CertFacts& leaf, TimePoint wanted_at) {
  if (leaf.not_after >= no_expiry) return {};
  return {{"a certificate for cluster " + cluster, wanted_at, leaf.not_after, wanted_at - leaf.not_before, leaf.not_after - leaf.not_before}};
}

std::vector<Visit> foresee_visits(std::vector<RootWant> wants, TimePoint now, std::optional<TimePoint> root_ends, std::size_t count) {
  std::vector<Visit> out;
  while (!wants.empty() && out.size() < count) {
    Visit visit{std::ranges::min(wants, {}, &RootWant::needed_at).needed_at, std::ranges::min(wants, {}, &RootWant::ends_at).ends_at, {}};
    if (root_ends && visit.from >= *root_ends) break;
    const TimePoint made = std::max(visit.from, now);
    for (RootWant& want : wants) {
      if (want.needed_at <= made + want.wait / 10) visit.what.push_back(want.what);
      want.needed_at = made + std::max<Duration>(want.wait, std::chrono::seconds{1});
      want.ends_at = made + want.life;
    }
    out.push_back(std::move(visit));
  }
  return out;
}

}  // namespace pgcertd
