// Any bytes as a CRL file: refused, or CRLs that are read back as the same and against which a chain can be judged; and that are to
// OpenSSL what they are to our own walk.
#include <openssl/x509.h>

#include <memory>

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

struct CrlFree {
  void operator()(X509_CRL* crl) const { X509_CRL_free(crl); }
};

std::unique_ptr<X509_CRL, CrlFree> by_openssl(std::string_view der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const auto* const end = at + der.size();
  std::unique_ptr<X509_CRL, CrlFree> out(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
  return at == end ? std::move(out) : nullptr;
}

void compare(const x509::Crl& crl) {
  const auto theirs = by_openssl(crl.der());
  require(theirs != nullptr);
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(theirs.get());
  const auto ours = x509::entries_of(crl);
  require(static_cast<int>(ours.size()) == std::max(0, sk_X509_REVOKED_num(entries)));
  for (const x509::RevokedEntry& entry : ours) {
    BIGNUM* number = nullptr;
    BN_hex2bn(&number, entry.serial.c_str());
    ASN1_INTEGER* const serial = BN_to_ASN1_INTEGER(number, nullptr);
    X509_REVOKED* found = nullptr;
    // Serials longer than 128 octets are none that anybody could ask for.
    if (entry.serial.size() <= 256) require(crl.contains(entry.serial) == (X509_CRL_get0_by_serial(theirs.get(), &found, serial) == 1));
    ASN1_INTEGER_free(serial);
    BN_free(number);
  }
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
    compare(crl);
  }
  const auto verdict = x509::verify_chain(root(), root(), x509::Purpose::any, now, *crls);
  require(!verdict.ok);  // none of these CRLs can carry this root's signature
  return 0;
}
