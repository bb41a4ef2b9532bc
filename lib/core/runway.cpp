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

// Certificates are wanted anew at half their life: a visit of the root then gives a full half to the next one.
void add(Runway& runway, RunwayLimit kind, const std::optional<CertFacts>& cert) {
  if (cert) add(runway, {kind, cert->not_after, part_of(cert->not_before, cert->not_after, 1, 2)});
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
Runway runway(const IssuerSeen& issuer, IssuerType type, const std::optional<CertFacts>& leaf) {
  Runway result;
  if (type == IssuerType::self_signed) return result;
  add(result, RunwayLimit::issuing_ca, issuer.issuing);
  add(result, RunwayLimit::root_ca, issuer.root);
  // A root's CRL is signed at each visit for a year and more; its last quarter is when a visit cannot be put off for long.
  if (issuer.root_crl && issuer.root_crl->next_update) {
    const TimePoint end = *issuer.root_crl->next_update;
    add(result, {RunwayLimit::root_crl, end, part_of(issuer.root_crl->this_update, end, 3, 4)});
  }
  if (type == IssuerType::offline) add(result, RunwayLimit::leaf, leaf);
  return result;
}

}  // namespace pgcertd
