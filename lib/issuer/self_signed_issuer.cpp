#include "issuer/self_signed_issuer.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/sign.hpp"

namespace pgcertd::issuer {
namespace {

std::string profile_of(const LeafRequest& request) {
  return fmt::format("self-signed dns={} ip={} lifetime={}", fmt::join(request.names.dns, ","), fmt::join(request.names.ip, ","),
                     to_text(request.lifetime));
}

Issued issued_from(const x509::Certificate& leaf, TimePoint issued_at) {
  return Issued{.chain_pem = leaf.pem(), .root_pem = leaf.pem(), .crl_pem = {}, .issued_at = issued_at};
}

Result<std::optional<Issued>> known(const std::optional<store::RegistryEntry>& entry, TimePoint now) {
  if (!entry || (entry->not_after && now >= *entry->not_after)) return std::optional<Issued>();
  PGCERTD_TRY(const auto leaf, x509::Certificate::from_der(entry->der));
  return std::optional(issued_from(leaf, entry->issued_at.value_or(entry->recorded_at)));
}

Result<void> check_request(const LeafRequest& request) {
  if (request.names.dns.empty() && request.names.ip.empty())
    return fail(Errc::invalid, "a certificate without a name helps no client", "set names in the cluster's section");
  if (request.lifetime <= Duration::zero())
    return fail(Errc::invalid, fmt::format("a lifetime of {} is impossible", to_text(request.lifetime)));
  return x509::check_names(request.names);
}

}  // namespace

SelfSignedIssuer::SelfSignedIssuer(std::string name, std::string registry_path, KeyOf key_of)
    : name_(std::move(name)), registry_path_(std::move(registry_path)), key_of_(std::move(key_of)) {}

// A registry that is lost costs nothing here: serials are random, and nothing is ever revoked.
Result<store::Registry*> SelfSignedIssuer::registry() {
  if (registry_ && !registry_->matches_disk()) registry_.reset();
  if (!registry_) {
    PGCERTD_TRY(store::Registry opened, store::Registry::open_or_create(registry_path_));
    registry_.emplace(std::move(opened));
  }
  return &*registry_;
}

IssuerSeen SelfSignedIssuer::observe(TimePoint) {
  const std::lock_guard lock(mutex_);
  IssuerSeen seen;
  seen.name = name_;
  const auto opened = registry();
  const auto counts = opened ? (*opened)->counts() : Result<store::RegistryCounts>(fail(opened.error()));
  seen.available = seen.key_available = counts.has_value();
  if (counts) {
    seen.issued = counts->issued;
    seen.revoked = counts->revoked;
    seen.issued_by_profile = counts->issued_by_profile;
    seen.revoked_by_reason = counts->revoked_by_reason;
  } else {
    seen.why = counts.error().text();
    seen.remedy = counts.error().remedy;
  }
  return seen;
}

IssuerAnswer SelfSignedIssuer::lookup(const std::string& spki_sha256, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto opened = registry();
  if (!opened) return Unknown{};                       // submit() tells why
  const auto entry = (*opened)->find_by_spki(spki_sha256);
  auto found = entry ? known(*entry, now) : Result<std::optional<Issued>>(fail(entry.error()));
  if (!found) return Refused{std::move(found).error()};
  if (!*found) return Unknown{};
  return std::move(**found);
}

IssuerAnswer SelfSignedIssuer::submit(const LeafRequest& request, TimePoint now) {
  const std::lock_guard lock(mutex_);
  auto issued = issue(request, now);
  if (!issued) return Refused{std::move(issued).error().within(fmt::format("issuer {}", name_))};
  return std::move(*issued);
}

Result<Issued> SelfSignedIssuer::issue(const LeafRequest& request, TimePoint now) {
  PGCERTD_CHECK(check_request(request));
  PGCERTD_TRY(store::Registry* const records, registry());
  const std::string profile = profile_of(request);
  PGCERTD_TRY(const auto entry, records->find(request.spki_sha256, profile));
  PGCERTD_TRY(auto before, known(entry, now));
  if (before) return std::move(*before);

  PGCERTD_TRY(const Secret pem, key_of_(request.spki_sha256));
  PGCERTD_TRY(const auto key, x509::PrivateKey::parse(pem.view(), "the pending key"));
  if (key.spki_sha256() != request.spki_sha256)
    return fail(Errc::invalid, fmt::format("the pending key is {}, not {}", key.spki_sha256(), request.spki_sha256));
  PGCERTD_TRY(const std::string serial, x509::new_serial());
  PGCERTD_CHECK(records->record_serial(serial, request.spki_sha256, profile, now));
  const x509::LeafProfile leaf_profile{.serial = serial,
                                       .names = request.names,
                                       .validity = x509::leaf_validity(now, request.lifetime, {}),
                                       .crl_url = {},
                                       .client_auth = false};
  PGCERTD_TRY(const x509::Certificate leaf, x509::make_self_signed(key, leaf_profile));
  PGCERTD_CHECK(records->record_certificate(serial, leaf.der(), leaf.facts().not_after, now));
  return issued_from(leaf, now);
}

}  // namespace pgcertd::issuer
