#include "ca/waiting_ca.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.hpp"
#include "ca/ca_answer.hpp"
#include "ca/ca_directory.hpp"
#include "ca/crl_file.hpp"
#include "ca/durable_file.hpp"
#include "core/trust.hpp"
#include "x509/bundle.hpp"
#include "x509/request.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {
namespace {

// With the root's key on another machine its CRL is the only one that may come along.
Result<std::optional<x509::Crl>> crl_of_root(const x509::Bundle& bundle, const x509::Certificate& root, TimePoint now) {
  std::optional<x509::Crl> out;
  for (const x509::Crl& crl : bundle.crls) {
    if (!x509::crl_signed_by(crl, root)) return fail(Errc::refused, fmt::format("a CRL in the name of \"{}\" was not signed by this issuer's root CA", printable(crl.facts().issuer, 200)));
    if (const std::string fault = crl_fault(crl.facts(), now); !fault.empty()) return fail(Errc::refused, "the root's CRL that came back is not installed: " + fault);
    out = crl;
  }
  return out;
}

}  // namespace

Result<std::optional<WaitingCa>> look_for_waiting(const std::string& path) {
  const IssuingDirectory directory{path};
  struct stat seen {};
  if (::lstat(directory.certificate().c_str(), &seen) == 0 || ::lstat(directory.request().c_str(), &seen) != 0) return std::optional<WaitingCa>{};
  WaitingCa out;
  out.since = from_unix(seen.st_mtime);
  PGCERTD_TRY(out.request_pem, read_file(directory.request()));
  PGCERTD_TRY(const x509::RequestFacts facts, x509::parse_request(out.request_pem, directory.request()));
  PGCERTD_TRY(const x509::Certificate root, read_certificate(directory.root_certificate()));
  out.subject = facts.subject;
  out.spki_sha256 = facts.spki_sha256;
  out.root = root.facts();
  return std::optional(std::move(out));
}

Result<std::string> complete(const std::string& path, const std::string& bytes, TimePoint now) {
  const IssuingDirectory directory{path};
  PGCERTD_TRY(const auto waiting, look_for_waiting(path));
  if (!waiting) return fail(Errc::invalid, fmt::format("\"{}\" does not wait for its first certificate", printable(path, 4096)));
  PGCERTD_TRY(const x509::Bundle bundle, x509::parse_bundle(bytes, "what came back"));
  PGCERTD_TRY(const x509::Certificate root, read_certificate(directory.root_certificate()));
  PGCERTD_TRY(const x509::Certificate answer, answer_for(bundle, waiting->spki_sha256));
  PGCERTD_CHECK(check_answer(answer, waiting->subject, root, now));
  PGCERTD_TRY(const auto crl, crl_of_root(bundle, root, now));
  if (crl) PGCERTD_CHECK(replace_file(directory.root_crl(), crl->pem(), 0644));
  // The last step: from then on it is an issuing CA's directory.
  PGCERTD_CHECK(replace_file(directory.certificate(), answer.pem(), 0644));
  (void)::unlink(directory.request().c_str());         // told apart by the certificate; a request that stays does no harm
  return fmt::format("the issuing CA has its first certificate {}, until {}{}", answer.facts().serial, to_rfc3339(answer.facts().not_after),
                     crl ? fmt::format("; CRL {} of the root CA is published", printable(crl->facts().number, 80)) : std::string{});
}

}  // namespace pgcertd::ca
