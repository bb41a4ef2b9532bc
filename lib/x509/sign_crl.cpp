// sign_crl, make_crl and the entries of a CRL, of sign.hpp.
#include <fmt/format.h>

#include <utility>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/crl_object.hpp"
#include "x509/extensions.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/pem_block.hpp"
#include "x509/sign.hpp"

namespace pgcertd::x509 {
namespace {

TimePoint time_of(std::string_view der) {
  const auto time = from_der_bytes<Asn1TimePtr>(der, d2i_ASN1_TIME);
  return from_asn1(time.get(), "revocationDate").value_or(TimePoint{});
}

Result<void> set_frame(X509_CRL* crl, X509* ca, TimePoint this_update, TimePoint next_update) {
  if (next_update <= this_update)
    return fail(Errc::invalid, fmt::format("a CRL from {} to {} would never be valid", to_rfc3339(this_update), to_rfc3339(next_update)));
  PGCERTD_TRY(const Asn1TimePtr from, to_asn1(this_update));
  PGCERTD_TRY(const Asn1TimePtr to, to_asn1(next_update));
  if (X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 && X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
      X509_CRL_set1_lastUpdate(crl, from.get()) == 1 && X509_CRL_set1_nextUpdate(crl, to.get()) == 1)
    return {};
  return fail(openssl_error("X509_CRL_set_version", "CRL"));
}

// No issuingDistributionPoint: with a fullName it would fail certificates that carry no matching one.
Result<void> add_extensions(X509_CRL* crl, X509* ca, std::string_view number_text) {
  PGCERTD_TRY(const Asn1IntegerPtr number, integer_from_decimal(number_text));
  if (X509_CRL_add1_ext_i2d(crl, NID_crl_number, number.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return fail(openssl_error("X509_CRL_add1_ext_i2d", "cRLNumber"));
  PGCERTD_TRY(const AuthorityKeyIdPtr authority, authority_key_id(ca));
  if (authority && X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, authority.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return fail(openssl_error("X509_CRL_add1_ext_i2d", "authorityKeyIdentifier"));
  return {};
}

Result<void> check_crl_signer(const PrivateKey& key, const CertFacts& ca) {
  PGCERTD_CHECK(check_ca_key(key.type()));
  const std::string subject = printable(ca.subject, 120);
  if (!ca.is_ca || !ca.crl_sign) return fail(Errc::invalid, fmt::format("certificate \"{}\" may not sign CRLs", subject));
  if (key.spki_sha256() != ca.spki_sha256)
    return fail(Errc::invalid, fmt::format("the CA's private key does not belong to its certificate \"{}\"", subject));
  return {};
}

// With all that a CRL has but entries; its signature tells which algorithm and parameters go with the key.
Result<std::string> make_empty(const PrivateKey& ca_key, X509* issuer, std::string_view number, TimePoint this_update, TimePoint next_update) {
  const X509CrlPtr crl(X509_CRL_new());
  if (!crl) return fail(openssl_error("X509_CRL_new", "CRL"));
  PGCERTD_CHECK(set_frame(crl.get(), issuer, this_update, next_update));
  PGCERTD_CHECK(add_extensions(crl.get(), issuer, number));
  EVP_PKEY* key = ca_key.handle().key.get();
  if (X509_CRL_sign(crl.get(), key, signing_digest(key)) <= 0) return fail(openssl_error("X509_CRL_sign", ca_key.key_name()));
  return to_der(crl.get(), i2d_X509_CRL);
}

Result<std::string> sign_bytes(const PrivateKey& ca_key, std::string_view bytes) {
  EVP_PKEY* key = ca_key.handle().key.get();
  const DigestPtr context(EVP_MD_CTX_new());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key)), '\0');
  std::size_t size = signature.size();
  if (!context || EVP_DigestSignInit(context.get(), nullptr, signing_digest(key), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) != 1)
    return fail(openssl_error("EVP_DigestSign", ca_key.key_name()));
  signature.resize(size);
  return signature;
}

}  // namespace

Result<void> for_each_revoked(const Crl& crl, const std::function<Result<void>(const RevokedEntry&)>& see) {
  const CleanErrorQueue clean;
  Result<void> done;
  for_each_entry(crl.handle(), [&](const EntrySeen& entry) {
    if (done) done = see({serial_hex(entry.serial), time_of(entry.time), reason_name(entry.reason)});
  });
  return done;
}

std::vector<RevokedEntry> entries_of(const Crl& crl) {
  std::vector<RevokedEntry> out;
  (void)for_each_revoked(crl, [&out](const RevokedEntry& entry) {   // this one never fails
    out.push_back(entry);
    return Result<void>();
  });
  return out;
}

Result<Crl> sign_crl(const PrivateKey& ca_key, const Certificate& ca, std::string_view number, TimePoint this_update, TimePoint next_update,
                     RevokedList revoked) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_crl_signer(ca_key, ca.facts()));
  PGCERTD_TRY(std::string frame, make_empty(ca_key, ca.handle().x509.get(), number, this_update, next_update));
  if (revoked.size() == 0) return adopt_crl(std::move(frame));   // revokedCertificates is absent then
  const auto parts = split_crl(frame);
  if (!parts) return fail(Errc::crypto, "X509_CRL_sign: a CRL that cannot be read");
  std::string tbs = assemble_tbs(*parts, revoked.take());
  // What could not be read back would stand in the way of every CRL after it.
  if (pem_size(tbs.size() + 8192) > largest_crl)
    return fail(Errc::invalid, fmt::format("a CRL of {} MiB in DER would be larger than what is read, {} MiB in PEM", tbs.size() >> 20U, largest_crl >> 20U), "let another issuing CA sign further certificates");
  PGCERTD_TRY(const std::string signature, sign_bytes(ca_key, tbs));
  std::string der = assemble_crl(tbs, parts->algorithm, signature);
  std::string().swap(tbs);   // as large as the CRL, and done with
  return adopt_crl(std::move(der));
}

Result<Crl> make_crl(const PrivateKey& ca_key, const Certificate& ca, std::string_view number, TimePoint this_update, TimePoint next_update,
                     const std::vector<RevokedEntry>& revoked) {
  RevokedList list;
  for (const RevokedEntry& entry : revoked) PGCERTD_CHECK(list.add(entry));
  return sign_crl(ca_key, ca, number, this_update, next_update, std::move(list));
}

}  // namespace pgcertd::x509
