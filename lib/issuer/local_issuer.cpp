#include "issuer/local_issuer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ca/waiting_ca.hpp"
#include "core/runway.hpp"
#include "issuer/file_look.hpp"
#include "issuer/healing.hpp"

namespace pgcertd::issuer {
namespace {

// By the key and in the name that it has; wanted from half its life on.
RequestSeen own_request_seen(const CertFacts& issuing, TimePoint now) {
  return {{}, issuing.spki_sha256, std::min(now, half_life(issuing))};
}

void complain(const Error& error, IssuerSeen& seen) {
  seen.why = error.text();
  seen.remedy = !error.remedy.empty() ? error.remedy : "restore the CA directory from its backup; pgcertctl inspect shows what its files are";
}

}  // namespace

// The texts of three sets at most are in use: the issuing CA's, the root's, both.
SharedText CrlTexts::of(const std::vector<x509::Crl>& crls) {
  std::string key;
  for (const x509::Crl& crl : crls) key += crl.facts().fingerprint_sha256;
  for (const auto& [known, text] : kept_)
    if (known == key) return text;
  std::string pem;
  for (const x509::Crl& crl : crls) pem += crl.pem();
  kept_.emplace_front(std::move(key), SharedText(std::move(pem)));
  if (kept_.size() > 3) kept_.pop_back();
  return kept_.front().second;
}

LocalIssuer::LocalIssuer(IssuerConfig config, SecretResolver resolve) : config_(std::move(config)), resolve_(std::move(resolve)) {}

Result<ca::IssuingCa*> LocalIssuer::opened() {
  if (ca_ && !ca_->matches_disk()) ca_.reset();
  if (ca_) return &*ca_;
  std::optional<Secret> passphrase;
  if (config_.passphrase) {
    auto secret = resolve_(config_.passphrase);
    if (!secret) return fail(healing(std::move(secret).error()).within(fmt::format("passphrase of issuer {}", config_.name)));
    passphrase.emplace(std::move(*secret));
  }
  auto ca = ca::IssuingCa::open(config_.directory, passphrase ? &*passphrase : nullptr, config_.crl_lifetime, config_.crl_url);
  if (!ca) return fail(healing(std::move(ca).error()).within(fmt::format("issuer {}", config_.name)));
  ca_.emplace(std::move(*ca));
  if (canaries_wanted_) ca_->want_canaries();
  return &*ca_;
}

// A token that was taken away is found again by another login only.
void LocalIssuer::check_token(TimePoint now) {
  constexpr auto every = std::chrono::seconds{30};   // a smart card needs a second for it
  if (!ca_ || (now >= token_checked_ && now - token_checked_ < every)) return;
  token_checked_ = now;
  if (!ca_->prove_key()) ca_.reset();
}

void LocalIssuer::want_canaries() {
  const std::lock_guard lock(mutex_);
  canaries_wanted_ = true;
  if (ca_) ca_->want_canaries();
}

// One request at any time: a visit may come early.
Result<std::vector<RequestFile>> LocalIssuer::requests(TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(const auto waiting, ca::look_for_waiting(config_.directory));
  if (waiting) return std::vector{RequestFile{{{}, waiting->spki_sha256, waiting->since}, waiting->subject, waiting->request_pem}};
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  PGCERTD_TRY(std::string text, ca->own_request());
  return std::vector{RequestFile{own_request_seen(ca->certificate().facts(), now), ca->certificate().facts().subject, std::move(text)}};
}

Result<std::string> LocalIssuer::import_answer(const std::string& bytes, TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(const auto waiting, ca::look_for_waiting(config_.directory));
  if (waiting) return ca::complete(config_.directory, bytes, now);
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  return ca->import_answer(bytes, now);
}

Result<void> LocalIssuer::renew_crl(TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  PGCERTD_CHECK(ca->renew_crl(now));
  return {};
}

Result<std::string> LocalIssuer::import_crls(const std::string& bytes, TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  return ca->import_crls(bytes, now);
}

Result<void> LocalIssuer::check_retired(const std::vector<std::string>& serials, TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  return ca->check_retired(serials, now);
}

namespace {

void describe_crl_set(ca::IssuingCa& ca, IssuerSeen& seen, CrlTexts& texts, TimePoint now) {
  const auto set = ca.crl_set(now);
  if (!set) {
    seen.crl_set_why = set.error().text();
    return;
  }
  for (const x509::Crl& crl : *set) seen.crl_set.push_back(crl.facts());
  seen.crl_set_pem = texts.of(*set);
}

void tell(const x509::Crl& crl, std::optional<CrlFacts>& facts, SharedText& pem, CrlTexts& texts) {
  facts = crl.facts();
  pem = texts.of({crl});
}

// One that cannot be renewed is still the one that clients have.
void describe_crls(ca::IssuingCa& ca, IssuerSeen& seen, CrlTexts& texts, TimePoint now) {
  if (const auto crl = ca.current_crl(now)) {
    tell(*crl, seen.crl, seen.crl_pem, texts);
  } else {
    complain(crl.error(), seen);
    seen.crl_fault = crl.error().text();
    seen.crl_remedy = seen.remedy;
    if (const auto published = ca.published_crl(); published && *published) tell(**published, seen.crl, seen.crl_pem, texts);
  }
  if (const auto crl = ca.root_crl(); crl && *crl) tell(**crl, seen.root_crl, seen.root_crl_pem, texts);
  describe_crl_set(ca, seen, texts, now);
  seen.canaries = ca.canaries(now);
}

}  // namespace

void LocalIssuer::describe(ca::IssuingCa& ca, IssuerSeen& seen, TimePoint now) {
  seen.issuing = ca.certificate().facts();
  seen.issuing_pem = ca.certificate().pem();
  seen.root = ca.root().facts();
  seen.root_pem = ca.root().pem();
  describe_crls(ca, seen, texts_, now);
  const auto usable = ca.check_usable(now);
  const auto counts = ca.counts();
  seen.available = usable && counts;
  if (!counts) complain(counts.error(), seen);
  if (!usable) complain(usable.error(), seen);
  if (const RequestSeen own = own_request_seen(*seen.issuing, now); now >= half_life(*seen.issuing)) seen.requests.push_back(own);
  if (auto clients = ca.clients(now)) seen.clients = std::move(*clients);
  if (!counts) return;
  seen.issued = counts->issued;
  seen.revoked = counts->revoked;
  seen.issued_by_profile = counts->issued_by_profile;
  seen.revoked_by_reason = counts->revoked_by_reason;
}

IssuerSeen LocalIssuer::observe(TimePoint now) {
  const std::lock_guard lock(mutex_);
  IssuerSeen seen;
  seen.name = config_.name;
  check_token(now);
  const auto ca = opened();
  seen.key_available = ca.has_value();
  if (ca) {
    describe(**ca, seen, now);
  } else {
    complain(ca.error(), seen);
    describe_files(config_.directory, seen);
  }
  return seen;
}

IssuerAnswer LocalIssuer::lookup(const std::string& spki_sha256, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto ca = opened();
  if (!ca) return Unknown{};                           // submit() tells why
  auto found = (*ca)->find(spki_sha256, now);
  if (!found) return Refused{std::move(found).error()};
  if (!*found) return Unknown{};
  return std::move(**found);
}

IssuerAnswer LocalIssuer::submit(const LeafRequest& request, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto ca = opened();
  if (!ca) return Refused{ca.error()};
  auto issued = (*ca)->issue(request, now);
  if (!issued) token_checked_ = {};
  if (!issued) return Refused{std::move(issued).error().within(fmt::format("issuer {}", config_.name))};
  return std::move(*issued);
}

Result<void> LocalIssuer::revoke(const std::string& serial, const std::string& reason, TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(ca::IssuingCa* const ca, opened());
  return ca->revoke(serial, reason, now);
}

}  // namespace pgcertd::issuer
