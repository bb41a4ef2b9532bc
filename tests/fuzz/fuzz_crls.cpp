// Any bytes as a CRL file: refused, or CRLs that are read back as the same and against which a chain can be judged.
#include "fuzz.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

constexpr TimePoint now = from_unix(1767225600);

const std::vector<x509::Certificate>& root() {
  static const std::vector<x509::Certificate> made = [] {
    const auto key = x509::PrivateKey::generate(KeyType::ecdsa_p256);
    return std::vector{x509::make_root(*key, "fuzz", "4a", {now - std::chrono::days{1}, now + std::chrono::days{1}}).value()};
  }();
  return made;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto crls = x509::parse_crls(fuzz::text_of(data, size), "root.crl");
  if (!crls) {
    fuzz::require_printable(crls.error().text());
    return 0;
  }
  require(!crls->empty());
  for (const x509::Crl& crl : *crls) {
    const auto again = x509::Crl::from_der(crl.der());
    require(again && again->facts() == crl.facts());
    const auto from_pem = x509::parse_crls(crl.pem(), "again");
    require(from_pem && from_pem->size() == 1 && from_pem->front().facts() == crl.facts());
    require(x509::entries_of(crl).size() == crl.facts().revoked);
    require(x509::entries_missing(crl, crl).size() <= crl.facts().revoked);
    require(!crl.contains("4a") || crl.facts().revoked > 0);
  }
  const auto verdict = x509::verify_chain(root(), root(), x509::Purpose::any, now, *crls);
  require(!verdict.ok);  // none of these CRLs can carry this root's signature
  return 0;
}
