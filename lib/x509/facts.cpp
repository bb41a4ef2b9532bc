#include "x509/facts.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "x509/asn1.hpp"
#include "x509/key_kind.hpp"

namespace pgcertd::x509 {
namespace {

void read_key(CertFacts& facts, X509* x509) {
  facts.spki_sha256 = spki_sha256(X509_get_X509_PUBKEY(x509));
  KeyKind kind = key_kind(X509_get0_pubkey(x509));
  facts.key_type = kind.type;
  facts.key_name = std::move(kind.name);
}

void read_signature(CertFacts& facts, X509* x509) {
  const char* algorithm = OBJ_nid2ln(X509_get_signature_nid(x509));
  facts.signature_algorithm = algorithm ? algorithm : "unknown";
  int digest = NID_undef, key = NID_undef, bits = 0;
  std::uint32_t flags = 0;
  if (X509_get_signature_info(x509, &digest, &key, &bits, &flags) != 1 || digest == NID_undef) return;
  facts.signature_digest = OBJ_nid2sn(digest);
  std::transform(facts.signature_digest.begin(), facts.signature_digest.end(), facts.signature_digest.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
}

void read_extensions(CertFacts& facts, X509* x509) {
  facts.subject_key_id = hex_of(X509_get0_subject_key_id(x509));
  facts.authority_key_id = hex_of(X509_get0_authority_key_id(x509));
  // As libpq reads it: a broken or a second subjectAltName counts as none.
  const GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(x509, NID_subject_alt_name, nullptr, nullptr)));
  if (names) facts.names = names_of(names.get());
  facts.is_ca = (X509_get_extension_flags(x509) & EXFLAG_CA) != 0;
  const std::uint32_t extended = X509_get_extended_key_usage(x509);   // all ones where the extension is absent
  facts.server_auth = (extended & (XKU_SSL_SERVER | XKU_ANYEKU)) != 0;
  facts.client_auth = (extended & (XKU_SSL_CLIENT | XKU_ANYEKU)) != 0;
  facts.crl_sign = (X509_get_key_usage(x509) & KU_CRL_SIGN) != 0;
}

// IDP, AKI and the delta indicator are processed by OpenSSL also where they are critical (X509_CRL's own decoder).
bool foreign_critical(const X509_EXTENSION* extension) {
  if (X509_EXTENSION_get_critical(extension) == 0) return false;
  const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(const_cast<X509_EXTENSION*>(extension)));   // the getter alters nothing
  return nid != NID_issuing_distribution_point && nid != NID_authority_key_identifier && nid != NID_delta_crl;
}

bool has_unknown_critical(X509_CRL* crl) {
  for (int i = 0; i < X509_CRL_get_ext_count(crl); ++i)
    if (foreign_critical(X509_CRL_get_ext(crl, i))) return true;
  STACK_OF(X509_REVOKED)* revoked = X509_CRL_get_REVOKED(crl);
  for (int i = 0; i < sk_X509_REVOKED_num(revoked); ++i) {
    const X509_REVOKED* entry = sk_X509_REVOKED_value(revoked, i);
    for (int j = 0; j < X509_REVOKED_get_ext_count(entry); ++j) {
      X509_EXTENSION* extension = X509_REVOKED_get_ext(entry, j);
      if (X509_EXTENSION_get_critical(extension) != 0 && OBJ_obj2nid(X509_EXTENSION_get_object(extension)) != NID_certificate_issuer) return true;
    }
  }
  return false;
}

void read_extensions(CrlFacts& facts, X509_CRL* crl) {
  const Asn1IntegerPtr number(static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(crl, NID_crl_number, nullptr, nullptr)));
  facts.number = decimal_of(number.get());
  const AuthorityKeyIdPtr authority(static_cast<AUTHORITY_KEYID*>(X509_CRL_get_ext_d2i(crl, NID_authority_key_identifier, nullptr, nullptr)));
  if (authority) facts.authority_key_id = hex_of(authority->keyid);
  facts.delta = X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0;
  const IssuingPointPtr point(static_cast<ISSUING_DIST_POINT*>(X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, nullptr, nullptr)));
  facts.indirect = point && point->indirectCRL > 0;
  facts.unknown_critical = has_unknown_critical(crl);
}

// A CA's certificate is read again and again, and to verify its own signature is by far the dearest part of reading it. The answer
// depends on nothing but the bytes. Any thread.
class SelfSigned {
 public:
  bool operator()(X509* x509, const std::string& fingerprint) {
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::find_if(known_.begin(), known_.end(), [&](const auto& one) { return one.first == fingerprint; });
      if (found != known_.end()) return found->second;
    }
    const bool verdict = X509_self_signed(x509, 1) == 1;
    const std::lock_guard lock(mutex_);
    if (known_.size() >= most) known_.erase(known_.begin());
    known_.emplace_back(fingerprint, verdict);
    return verdict;
  }

 private:
  static constexpr std::size_t most = 32;
  std::mutex mutex_;
  std::vector<std::pair<std::string, bool>> known_;
};

bool is_self_signed(X509* x509, const std::string& fingerprint) {
  static SelfSigned known;
  return known(x509, fingerprint);
}

}  // namespace

Result<CertFacts> cert_facts(X509* x509) {
  CertFacts facts;
  facts.subject = name_text(X509_get_subject_name(x509));
  facts.issuer = name_text(X509_get_issuer_name(x509));
  facts.common_name = common_name_of(X509_get_subject_name(x509));
  facts.serial = serial_hex(X509_get0_serialNumber(x509));
  facts.fingerprint_sha256 = sha256_hex(to_der(x509, i2d_X509));
  PGCERTD_TRY(facts.not_before, from_asn1(X509_get0_notBefore(x509), "notBefore"));
  PGCERTD_TRY(facts.not_after, from_asn1(X509_get0_notAfter(x509), "notAfter"));
  read_key(facts, x509);
  read_signature(facts, x509);
  read_extensions(facts, x509);
  facts.self_issued = X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)) == 0;
  facts.self_signed = facts.self_issued && is_self_signed(x509, facts.fingerprint_sha256);
  return facts;
}

Result<CrlFacts> crl_facts(X509_CRL* crl) {
  CrlFacts facts;
  facts.issuer = name_text(X509_CRL_get_issuer(crl));
  PGCERTD_TRY(facts.this_update, from_asn1(X509_CRL_get0_lastUpdate(crl), "thisUpdate"));
  if (const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl)) {
    PGCERTD_TRY(facts.next_update, from_asn1(next, "nextUpdate"));
  }
  facts.revoked = static_cast<std::uint64_t>(std::max(0, sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl))));
  read_extensions(facts, crl);
  return facts;
}

}  // namespace pgcertd::x509
