#include "issuer/offline_issuer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ca/ca_directory.hpp"
#include "core/trust.hpp"
#include "issuer/healing.hpp"
#include "issuer/offline_import.hpp"
#include "x509/bundle.hpp"
#include "x509/request.hpp"
#include "x509/verify.hpp"

namespace pgcertd::issuer {
namespace {

Result<void> check_root(const x509::Certificate& root, const std::string& path, TimePoint now) {
  const CertFacts& facts = root.facts();
  if (!facts.is_ca) return fail(Errc::invalid, fmt::format("\"{}\" is no CA's certificate", path), "root_certificate names the root's certificate: root.crt of its directory");
  if (now >= facts.not_after) return fail(Errc::timeout, fmt::format("the root CA's certificate expired at {}", to_rfc3339(facts.not_after)), "make a new root, and let clients trust both, as pgcertd's OPERATING.md shows");
  return {};
}

Result<std::vector<x509::Crl>> crls_of(store::RequestBook& book) {
  PGCERTD_TRY(const auto booked, book.crls());
  std::vector<x509::Crl> out;
  for (const store::BookedCrl& one : booked) {
    PGCERTD_TRY(auto parsed, x509::parse_crls(one.pem, "a CRL in the book of requests"));
    std::ranges::move(parsed, std::back_inserter(out));
  }
  return out;
}

// All, or none: a verifier refuses everybody when the CRL of one CA in the path is missing.
bool covers(const std::vector<x509::Crl>& crls, const std::vector<x509::Certificate>& chain, const x509::Certificate& root, TimePoint now) {
  return x509::verify_chain(chain, {root}, x509::Purpose::any, now, crls).ok;
}

RequestSeen seen_of(const store::BookedRequest& booked) { return {booked.request.cluster, booked.request.spki_sha256, booked.since}; }

std::string subject_of(const store::BookedRequest& booked) {
  const auto facts = x509::parse_request(booked.request.request_pem, "request");
  return facts ? facts->subject : std::string{};
}

// Words for people before the PEM, which every reader passes over (RFC 7468 5.2); of them only the life is read again, as a wish.
std::string file_text(const store::BookedRequest& booked) {
  return fmt::format("Cluster: {}\nLifetime: {}\nKey-SHA-256: {}\n{}{}", booked.request.cluster, to_text(booked.request.lifetime), booked.request.spki_sha256, booked.request.request_pem, booked.request.proof_pem);
}

}  // namespace

OfflineIssuer::OfflineIssuer(IssuerConfig config, std::string book_path, StillWaits still_waits)
    : config_(std::move(config)), book_path_(std::move(book_path)), still_waits_(std::move(still_waits)) {}

Result<OfflineIssuer::Place> OfflineIssuer::place() {
  if (config_.root_certificate.empty())
    return fail(Errc::not_found, fmt::format("issuer {}: no root_certificate is configured", config_.name), "name the root's certificate, brought from its machine: root_certificate = \"/etc/pgcertd/root.crt\"");
  PGCERTD_TRY(x509::Certificate root, ca::read_certificate(config_.root_certificate));
  if (!book_) {
    PGCERTD_TRY(store::RequestBook opened, store::RequestBook::open_or_create(book_path_));
    book_.emplace(std::move(opened));
  }
  return Place{std::move(root), &*book_};
}

Result<std::vector<store::BookedRequest>> OfflineIssuer::waiting(const Place& at) {
  PGCERTD_TRY(auto all, at.book->waiting());
  std::erase_if(all, [this](const store::BookedRequest& one) { return !still_waits_(one.request.spki_sha256); });
  return all;
}

Result<void> OfflineIssuer::describe(IssuerSeen& seen, TimePoint now) {
  PGCERTD_TRY(const Place at, place());
  seen.root = at.root.facts();
  seen.root_pem = at.root.pem();
  PGCERTD_CHECK(check_root(at.root, config_.root_certificate, now));
  PGCERTD_TRY(const auto all, waiting(at));
  for (const store::BookedRequest& one : all) seen.requests.push_back(seen_of(one));
  PGCERTD_TRY(seen.issued, at.book->answered());
  seen.issued_by_profile = {{"server", seen.issued}};
  PGCERTD_TRY(const auto crls, crls_of(*at.book));
  for (const x509::Crl& crl : crls) {
    if (!x509::crl_signed_by(crl, at.root)) continue;
    // The root signs the leaves: its CRL is that of their issuer.
    seen.root_crl = seen.crl = crl.facts();
    seen.root_crl_pem = seen.crl_pem = SharedText(crl.pem());
    seen.revoked = crl.facts().revoked;
  }
  const bool good = std::ranges::all_of(crls, [&](const x509::Crl& crl) { return crl_fault(crl.facts(), now).empty(); });
  if (!seen.root_crl) seen.crl_set_why = "no CRL of the root came back yet: pgcertctl ca session makes one at each visit";
  else if (!good) seen.crl_set_why = "a CRL that came back from the root has ended";
  else {
    std::string pem;
    for (const x509::Crl& crl : crls) pem += crl.pem(), seen.crl_set.push_back(crl.facts());
    seen.crl_set_pem = SharedText(std::move(pem));
  }
  return {};
}

IssuerSeen OfflineIssuer::observe(TimePoint now) {
  const std::lock_guard lock(mutex_);
  IssuerSeen seen;
  seen.name = config_.name;
  const auto described = describe(seen, now);
  seen.available = described.has_value();
  if (described) return seen;
  seen.why = described.error().text();
  seen.remedy = !described.error().remedy.empty() ? described.error().remedy : "root_certificate names the root's certificate, brought from its machine; compare its SHA-256";
  return seen;
}

Result<Issued> OfflineIssuer::issued_from(const Place& at, const store::BookedRequest& booked, TimePoint now) {
  PGCERTD_TRY(const auto chain, x509::parse_certificates(booked.chain_pem, "the certificate that came back"));
  PGCERTD_TRY(const auto crls, crls_of(*at.book));
  std::string crl_pem;
  if (covers(crls, chain, at.root, now))
    for (const x509::Crl& crl : crls) crl_pem += crl.pem();
  return Issued{.chain_pem = booked.chain_pem, .root_pem = at.root.pem(), .crl_pem = std::move(crl_pem), .issued_at = chain.front().facts().not_before};
}

Result<IssuerAnswer> OfflineIssuer::answer_of(const std::string& spki_sha256, TimePoint now) {
  PGCERTD_TRY(const Place at, place());
  PGCERTD_TRY(const auto booked, at.book->find(spki_sha256));
  if (!booked) return IssuerAnswer{Unknown{}};
  if (booked->chain_pem.empty()) return IssuerAnswer{Pending{booked->since}};
  PGCERTD_TRY(Issued issued, issued_from(at, *booked, now));
  return IssuerAnswer{std::move(issued)};
}

IssuerAnswer OfflineIssuer::lookup(const std::string& spki_sha256, TimePoint now) {
  const std::lock_guard lock(mutex_);
  return answer_of(spki_sha256, now).value_or(IssuerAnswer{Unknown{}});   // submit() tells why
}

IssuerAnswer OfflineIssuer::submit(const LeafRequest& request, TimePoint now) {
  const std::lock_guard lock(mutex_);
  const auto booked = [&]() -> Result<IssuerAnswer> {
    if (!request.role.empty())
      return fail(Errc::refused, "an offline root signs no client certificates from here", "make the request with openssl req, and have it signed with pgcertctl ca sign --profile client where the root's key is");
    if (!still_waits_(request.spki_sha256)) return fail(Errc::not_found, "the request was dropped: its key is gone");
    PGCERTD_TRY(const Place at, place());
    PGCERTD_CHECK(at.book->put(request, now));
    return answer_of(request.spki_sha256, now);
  }();
  if (booked) return *booked;
  Error error = booked.error();
  return Refused{(request.role.empty() ? healing(std::move(error)) : std::move(error)).within(fmt::format("issuer {}", config_.name))};
}

Result<std::vector<RequestFile>> OfflineIssuer::requests(TimePoint) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(const Place at, place());
  PGCERTD_TRY(const auto all, waiting(at));
  std::vector<RequestFile> out;
  for (const store::BookedRequest& one : all) out.push_back({seen_of(one), subject_of(one), file_text(one)});
  return out;
}

Result<std::string> OfflineIssuer::import_answer(const std::string& bytes, TimePoint now) {
  const std::lock_guard lock(mutex_);
  PGCERTD_TRY(const x509::Bundle bundle, x509::parse_bundle(bytes, "what came back"));
  PGCERTD_TRY(const Place at, place());
  PGCERTD_CHECK(check_root(at.root, config_.root_certificate, now));
  PGCERTD_TRY(auto crls, crls_of(*at.book));
  ImportSeen seen{at.root, std::move(crls), {}};
  for (const x509::Certificate& one : bundle.certificates) {
    const std::string& spki = one.facts().spki_sha256;
    PGCERTD_TRY(const auto booked, at.book->find(spki));
    if (!booked) continue;
    PGCERTD_TRY(const auto newest, at.book->newest_answer(booked->request.cluster));
    seen.requests.emplace_back(spki, KnownRequest{*booked, still_waits_(spki), newest});
  }
  PGCERTD_TRY(const Import import, judge_import(seen, bundle, now));
  PGCERTD_CHECK(at.book->accept(import.answers, import.crls, now));
  std::string words;
  for (const std::string& one : import.words) words += (words.empty() ? "" : "; ") + one;
  return words;
}

}  // namespace pgcertd::issuer
