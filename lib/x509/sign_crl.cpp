// make_crl of sign.hpp.
#include <fmt/format.h>

#include <array>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/extensions.hpp"
#include "x509/handles.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/sign.hpp"

namespace pgcertd::x509 {
namespace {

// RFC 5280 5.3.1. removeFromCRL belongs to deltas only, and "unspecified" should be left out.
constexpr std::array<std::pair<std::string_view, int>, 8> reasons{{
    {"keyCompromise", 1},
    {"cACompromise", 2},
    {"affiliationChanged", 3},
    {"superseded", 4},
    {"cessationOfOperation", 5},
    {"certificateHold", 6},
    {"privilegeWithdrawn", 9},
    {"aACompromise", 10},
}};

Result<int> reason_code(std::string_view text) {
  std::string known = "unspecified";
  for (const auto& [name, code] : reasons) {
    if (name == text) return code;
    known += fmt::format(", {}", name);
  }
  return fail(Errc::invalid, fmt::format("\"{}\" is no reason for a revocation", printable(text, 60)), "one of: " + known);
}

Result<void> add_reason(X509_REVOKED* revoked, std::string_view text) {
  if (text.empty() || text == "unspecified") return {};
  PGCERTD_TRY(const int code, reason_code(text));
  const Asn1EnumeratedPtr reason(ASN1_ENUMERATED_new());
  if (!reason || ASN1_ENUMERATED_set(reason.get(), code) != 1 ||
      X509_REVOKED_add1_ext_i2d(revoked, NID_crl_reason, reason.get(), 0, X509V3_ADD_DEFAULT) != 1)
    return fail(openssl_error("X509_REVOKED_add1_ext_i2d", text));
  return {};
}

std::string reason_of(const X509_REVOKED* entry) {
  const Asn1EnumeratedPtr reason(static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, nullptr, nullptr)));
  const long code = reason ? ASN1_ENUMERATED_get(reason.get()) : 0;
  for (const auto& [name, number] : reasons)
    if (number == code) return std::string(name);
  return {};
}

Result<void> add_entry(X509_CRL* crl, const RevokedEntry& entry) {
  PGCERTD_TRY(const Asn1IntegerPtr serial, integer_from_hex(entry.serial));
  PGCERTD_TRY(const Asn1TimePtr at, to_asn1(entry.revoked_at));
  RevokedPtr revoked(X509_REVOKED_new());
  if (!revoked || X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) != 1 || X509_REVOKED_set_revocationDate(revoked.get(), at.get()) != 1)
    return fail(openssl_error("X509_REVOKED_new", entry.serial));
  PGCERTD_CHECK(add_reason(revoked.get(), entry.reason));
  if (X509_CRL_add0_revoked(crl, revoked.get()) != 1) return fail(openssl_error("X509_CRL_add0_revoked", entry.serial));
  (void)revoked.release();   // the CRL owns it
  return {};
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

}  // namespace

std::vector<RevokedEntry> entries_of(const Crl& crl) {
  const CleanErrorQueue clean;
  std::vector<RevokedEntry> out;
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(crl.handle().crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(entries, i);
    const auto at = from_asn1(X509_REVOKED_get0_revocationDate(entry), "revocationDate");
    out.push_back({serial_hex(X509_REVOKED_get0_serialNumber(entry)), at.value_or(TimePoint{}), reason_of(entry)});
  }
  return out;
}

Result<Crl> make_crl(const PrivateKey& ca_key, const Certificate& ca, std::string_view number, TimePoint this_update, TimePoint next_update,
                     const std::vector<RevokedEntry>& revoked) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_crl_signer(ca_key, ca.facts()));
  X509* issuer = ca.handle().x509.get();
  const X509CrlPtr crl(X509_CRL_new());
  if (!crl) return fail(openssl_error("X509_CRL_new", "CRL"));
  PGCERTD_CHECK(set_frame(crl.get(), issuer, this_update, next_update));
  PGCERTD_CHECK(add_extensions(crl.get(), issuer, number));
  std::set<std::string_view> seen;   // a serial stands once, with its first entry
  for (const RevokedEntry& entry : revoked)
    if (seen.insert(entry.serial).second) PGCERTD_CHECK(add_entry(crl.get(), entry));
  EVP_PKEY* key = ca_key.handle().key.get();
  if (X509_CRL_sort(crl.get()) != 1 || X509_CRL_sign(crl.get(), key, signing_digest(key)) <= 0)
    return fail(openssl_error("X509_CRL_sign", ca_key.key_name()));
  return Crl::from_der(to_der(crl.get(), i2d_X509_CRL));
}

}  // namespace pgcertd::x509
