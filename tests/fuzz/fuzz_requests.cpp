// Any bytes as a request for a certificate: whatever it asks for, what is signed is the profile's, for the request's key, and
// only against a proof that the key is the requester's.
#include "fuzz.hpp"
#include "x509/request.hpp"
#include "x509/sign.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

constexpr TimePoint now = from_unix(1767225600);

struct Ca {
  x509::PrivateKey key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  x509::Certificate root = x509::make_root(key, "fuzz", "4a", {now - std::chrono::days{1}, now + std::chrono::days{90}}).value();
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Ca ca;
  const auto bytes = fuzz::text_of(data, size);
  const auto request = x509::parse_request(bytes, "request.pem");
  const x509::LeafProfile profile{.serial = "4b",
                                  .names = {.dns = {"db1.example.org"}, .ip = {}},
                                  .validity = {now, now + std::chrono::days{30}},
                                  .crl_url = {}};
  const auto leaf = x509::sign_leaf(ca.key, ca.root, bytes, profile);
  if (!request) {
    fuzz::require_printable(request.error().text());
    require(!leaf);
    return 0;
  }
  if (!leaf) return 0;
  require(request->signature_ok);
  const CertFacts& facts = leaf->facts();
  require(facts.spki_sha256 == request->spki_sha256 && facts.names == profile.names && facts.serial == profile.serial &&
          !facts.is_ca);
  return 0;
}
