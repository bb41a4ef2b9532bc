#include "core/issuing.hpp"

namespace pgcertd {
namespace {

void keep(std::optional<CertFacts>& certificate, std::string& pem, const std::optional<CertFacts>& known, const std::string& known_pem) {
  if (certificate) return;
  certificate = known;
  pem = known_pem;
}

void keep(std::optional<CrlFacts>& crl, SharedText& pem, const std::optional<CrlFacts>& known, const SharedText& known_pem) {
  if (crl) return;
  crl = known;
  pem = known_pem;
}

void keep_registry(IssuerSeen& seen, const IssuerSeen& before) {
  if (seen.issued > 0 || before.issued == 0) return;
  seen.issued = before.issued;
  seen.revoked = before.revoked;
  seen.issued_by_profile = before.issued_by_profile;
  seen.revoked_by_reason = before.revoked_by_reason;
  seen.clients = before.clients;
}

}  // namespace

void keep_last_known(IssuerSeen& seen, const IssuerSeen& before) {
  const bool another = seen.issuing && before.issuing && seen.issuing->fingerprint_sha256 != before.issuing->fingerprint_sha256;
  if (seen.available || another) return;
  const bool unread = !seen.issuing && !seen.root;
  keep(seen.issuing, seen.issuing_pem, before.issuing, before.issuing_pem);
  keep(seen.root, seen.root_pem, before.root, before.root_pem);
  keep(seen.crl, seen.crl_pem, before.crl, before.crl_pem);
  keep(seen.root_crl, seen.root_crl_pem, before.root_crl, before.root_crl_pem);
  keep_registry(seen, before);
  if (unread && seen.requests.empty()) seen.requests = before.requests;
}

}  // namespace pgcertd
