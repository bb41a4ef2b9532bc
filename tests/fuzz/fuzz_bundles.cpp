// Any bytes as what comes back from the root's side (PEM, PKCS#7), and as a request with a proof (CMS) behind it: what is read is
// whole, and nobody is vouched for by a stranger.
#include "fuzz.hpp"
#include "x509/bundle.hpp"
#include "x509/sign.hpp"
#include "x509/signed_request.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

constexpr TimePoint now = from_unix(1767225600);

std::vector<x509::Certificate> own_roots() {
  const auto key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  return {x509::make_root(key, "fuzz", "4a", {now - std::chrono::days{1}, now + std::chrono::days{90}}).value()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto roots = own_roots();
  const auto bytes = fuzz::text_of(data, size);
  const auto bundle = x509::parse_bundle(bytes, "back.pem");
  if (!bundle) {
    fuzz::require_printable(bundle.error().text());
  } else {
    require(!bundle->certificates.empty() || !bundle->crls.empty());
    std::string again = x509::bundle_head(bundle->certificates.size() + bundle->crls.size()) + x509::to_pem(bundle->certificates);
    for (const x509::Crl& crl : bundle->crls) again += crl.pem();
    const auto twice = x509::parse_bundle(again, "again.pem");
    require(twice && twice->certificates.size() == bundle->certificates.size() && twice->crls.size() == bundle->crls.size());
  }
  const auto proof = x509::verify_request_proof(bytes, "request.csr", roots, now);
  if (!proof) fuzz::require_printable(proof.error().text());
  require(!proof || !*proof);
  return 0;
}
