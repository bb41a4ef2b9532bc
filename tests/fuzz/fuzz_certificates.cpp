// Any bytes as a certificate file: refused, or certificates that are read back as the same and can be judged.
#include "fuzz.hpp"
#include "x509/verify.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

constexpr TimePoint now = from_unix(1767225600);  // 2026-01-01

void judge(const std::vector<x509::Certificate>& chain) {
  const CertFacts& leaf = chain.front().facts();
  for (const std::string& name : leaf.names.dns) (void)x509::name_matches(leaf, name);
  for (const std::string& name : leaf.names.ip) (void)x509::name_matches(leaf, name);
  (void)x509::name_matches(leaf, "db1.example.org");
  fuzz::require_printable(x509::weakness(chain));
  for (const auto purpose : {x509::Purpose::server, x509::Purpose::client, x509::Purpose::any}) {
    const auto verdict = x509::verify_chain(chain, chain, purpose, now);
    require(verdict.ok == verdict.error.empty());
    require(!verdict.ok || (leaf.not_before <= now && now <= leaf.not_after && verdict.not_after <= leaf.not_after));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto chain = x509::parse_certificates(fuzz::text_of(data, size), "server.crt");
  if (!chain) {
    fuzz::require_printable(chain.error().text());
    return 0;
  }
  require(!chain->empty());
  const auto again = x509::parse_certificates(x509::to_pem(*chain), "again");
  require(again && again->size() == chain->size());
  for (std::size_t i = 0; i < chain->size(); ++i) {
    require((*again)[i].facts() == (*chain)[i].facts());
    require((*again)[i].der() == (*chain)[i].der());
  }
  judge(*chain);
  return 0;
}
