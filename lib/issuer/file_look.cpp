#include "issuer/file_look.hpp"

#include "ca/ca_directory.hpp"
#include "ca/waiting_ca.hpp"
#include "core/trust.hpp"

namespace pgcertd::issuer {
namespace {

std::string why_not(const std::string& directory, bool certificate) {
  if (certificate) return ca::IssuingDirectory{directory}.key() + " is gone: nothing can be signed";
  const auto looked = ca::look_at(directory);
  return looked ? "no issuing CA is in " + directory : looked.error().text();
}

// A directory is missing, may not be read, or holds something else: the daemon's own word for it is issuer-failed.
void describe_local(const std::string& directory, IssuerSeen& seen) {
  describe_files(directory, seen);
  seen.available = seen.issuing && ca::has_issuing_key(directory);
  if (!seen.available) {
    seen.why = why_not(directory, seen.issuing.has_value());
    seen.remedy = "restore the CA directory from its backup; pgcertctl inspect shows what its files are";
  }
  if (!seen.crl || !seen.root_crl) {
    seen.crl_set_why = "a CRL of the root or of the issuing CA is missing";
    return;
  }
  seen.crl_set = {*seen.root_crl, *seen.crl};
  seen.crl_set_pem = SharedText(seen.root_crl_pem.str() + seen.crl_pem.str());
}

void describe_offline(const std::string& root_certificate, IssuerSeen& seen) {
  const auto root = ca::read_certificate(root_certificate);
  seen.available = root.has_value();
  if (root) seen.root = root->facts(), seen.root_pem = root->pem();
  else seen.why = root.error().text(), seen.remedy = root.error().remedy;
}

}  // namespace

void describe_files(const std::string& directory, IssuerSeen& seen) {
  if (const auto waiting = ca::look_for_waiting(directory); waiting && *waiting) {
    seen.root = (*waiting)->root;
    seen.requests.push_back({{}, (*waiting)->spki_sha256, (*waiting)->since});
  }
  const auto files = ca::look_at(directory);
  if (!files || files->kind != ca::CaDirectorySeen::Kind::issuing) return;
  seen.issuing = files->certificate;
  seen.issuing_pem = files->certificate_pem;
  seen.root = files->root;
  seen.root_pem = files->root_pem;
  seen.crl = files->crl, seen.crl_pem = files->crl_pem;
  seen.root_crl = files->root_crl, seen.root_crl_pem = files->root_crl_pem;
  seen.issued = files->issued;
  seen.revoked = files->revoked;
  seen.issued_by_profile = files->issued_by_profile;
  seen.revoked_by_reason = files->revoked_by_reason;
}

IssuerSeen FileLook::observe(TimePoint) {
  IssuerSeen seen;
  seen.name = config_.name;
  switch (config_.type) {
    case IssuerType::local: describe_local(config_.directory, seen); break;
    case IssuerType::offline: describe_offline(config_.root_certificate, seen); break;
    case IssuerType::self_signed: seen.available = true; break;
  }
  seen.key_available = seen.available;   // whether it opens is the daemon's to tell
  return seen;
}

IssuerAnswer FileLook::lookup(const std::string&, TimePoint) { return Unknown{}; }

IssuerAnswer FileLook::submit(const LeafRequest&, TimePoint) { return Refused{make_error(Errc::refused, "nothing is signed by somebody who only looks")}; }

}  // namespace pgcertd::issuer
