#include "ca/ca_answer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ca {

Result<x509::Certificate> answer_for(const x509::Bundle& bundle, const std::string& spki_sha256) {
  const auto answer = std::ranges::find_if(bundle.certificates, [&](const x509::Certificate& one) { return one.facts().spki_sha256 == spki_sha256; });
  if (answer != bundle.certificates.end()) return *answer;
  return fail(Errc::refused, fmt::format("none of the {} certificates that came back is for this CA's key ({})", bundle.certificates.size(), spki_sha256), "pgcertctl request show tells what was asked for");
}

Result<void> check_answer(const x509::Certificate& answer, const std::string& subject, const x509::Certificate& root, TimePoint now) {
  const CertFacts& facts = answer.facts();
  if (!facts.is_ca || !facts.crl_sign) return fail(Errc::refused, "the certificate that came back is no CA's");
  if (facts.subject != subject) return fail(Errc::refused, fmt::format("the certificate that came back is for \"{}\", this CA is \"{}\"", printable(facts.subject, 200), printable(subject, 200)));
  const auto verdict = x509::verify_chain({answer}, {root}, x509::Purpose::any, now);
  if (verdict.ok) return {};
  return fail(Errc::refused, "the certificate that came back does not lead to this issuer's root: " + verdict.error, "compare the root's SHA-256: pgcertctl trust export");
}

}  // namespace pgcertd::ca
