#include "x509/extensions.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

Result<Asn1Ia5StringPtr> ia5(std::string_view text) {
  Asn1Ia5StringPtr out(ASN1_IA5STRING_new());
  if (!out || ASN1_STRING_set(out.get(), text.data(), static_cast<int>(text.size())) != 1) return fail(openssl_error("ASN1_STRING_set", "name"));
  return out;
}

Result<void> push(GENERAL_NAMES* names, int type, void* value) {
  GeneralNamePtr name(GENERAL_NAME_new());
  if (!name) return fail(openssl_error("GENERAL_NAME_new", "subjectAltName"));
  GENERAL_NAME_set0_value(name.get(), type, value);
  if (sk_GENERAL_NAME_push(names, name.get()) <= 0) return fail(openssl_error("sk_GENERAL_NAME_push", "subjectAltName"));
  (void)name.release();   // the stack owns it
  return {};
}

Result<void> push_text(GENERAL_NAMES* names, int type, std::string_view text) {
  PGCERTD_TRY(Asn1Ia5StringPtr value, ia5(text));
  return push(names, type, value.release());
}

Result<void> push_ip(GENERAL_NAMES* names, const std::string& text) {
  std::array<unsigned char, 16> address{};
  const bool four = ::inet_pton(AF_INET, text.c_str(), address.data()) == 1;
  if (!four && ::inet_pton(AF_INET6, text.c_str(), address.data()) != 1)
    return fail(Errc::invalid, fmt::format("iPAddress \"{}\" is no address", printable(text, 80)));
  Asn1OctetStringPtr octets(ASN1_OCTET_STRING_new());
  if (!octets || ASN1_OCTET_STRING_set(octets.get(), address.data(), four ? 4 : 16) != 1)
    return fail(openssl_error("ASN1_OCTET_STRING_set", "iPAddress"));
  return push(names, GEN_IPADD, octets.release());
}

Result<X509NamePtr> subject(std::string_view common_name) {
  X509NamePtr name(X509_NAME_new());
  if (!name) return fail(openssl_error("X509_NAME_new", "subject"));
  const auto* bytes = reinterpret_cast<const unsigned char*>(common_name.data());
  if (!common_name.empty() &&
      X509_NAME_add_entry_by_NID(name.get(), NID_commonName, MBSTRING_UTF8, bytes, static_cast<int>(common_name.size()), -1, 0) != 1)
    return fail(openssl_error("X509_NAME_add_entry_by_NID", printable(common_name, 80), Errc::invalid));
  return name;
}

}  // namespace

Result<GeneralNamesPtr> general_names(const Names& names) {
  GeneralNamesPtr out(GENERAL_NAMES_new());
  if (!out) return fail(openssl_error("GENERAL_NAMES_new", "subjectAltName"));
  for (const std::string& dns : names.dns) PGCERTD_CHECK(push_text(out.get(), GEN_DNS, dns));
  for (const std::string& ip : names.ip) PGCERTD_CHECK(push_ip(out.get(), ip));
  return out;
}

Result<X509NamePtr> leaf_subject(const Names& names) {
  const std::string* first = !names.dns.empty() ? &names.dns.front() : !names.ip.empty() ? &names.ip.front() : nullptr;
  return subject(first && first->size() <= ub_common_name ? std::string_view(*first) : std::string_view());
}

Result<X509NamePtr> ca_subject(std::string_view common_name) {
  if (common_name.empty()) return fail(Errc::invalid, "a CA needs a common name (RFC 5280 4.1.2.6)");
  return subject(common_name);
}

Result<X509NamePtr> client_subject(std::string_view role) {
  if (role.empty() || role.size() > ub_common_name)
    return fail(Errc::invalid, fmt::format("a role of {} bytes cannot stand in a certificate's common name", role.size()), "a role's name has 1 to 63 bytes");
  return subject(role);
}

Result<void> add_extension(X509* to, int nid, void* value, Critical critical) {
  if (X509_add1_ext_i2d(to, nid, value, critical == Critical::yes ? 1 : 0, X509V3_ADD_DEFAULT) == 1) return {};
  return fail(openssl_error("X509_add1_ext_i2d", OBJ_nid2sn(nid)));
}

Result<void> add_basic_constraints_ca(X509* to, bool path_length_zero) {
  const BasicConstraintsPtr constraints(BASIC_CONSTRAINTS_new());
  if (!constraints) return fail(openssl_error("BASIC_CONSTRAINTS_new", "CA"));
  constraints->ca = der_true;
  if (path_length_zero && !(constraints->pathlen = ASN1_INTEGER_new())) return fail(openssl_error("ASN1_INTEGER_new", "pathlen"));
  return add_extension(to, NID_basic_constraints, constraints.get(), Critical::yes);
}

Result<void> add_basic_constraints_leaf(X509* to) {
  const BasicConstraintsPtr constraints(BASIC_CONSTRAINTS_new());
  if (!constraints) return fail(openssl_error("BASIC_CONSTRAINTS_new", "leaf"));
  return add_extension(to, NID_basic_constraints, constraints.get(), Critical::yes);
}

Result<void> add_key_usage(X509* to, std::initializer_list<int> bits) {
  const Asn1BitStringPtr usage(ASN1_BIT_STRING_new());
  if (!usage) return fail(openssl_error("ASN1_BIT_STRING_new", "keyUsage"));
  for (const int bit : bits)
    if (ASN1_BIT_STRING_set_bit(usage.get(), bit, 1) != 1) return fail(openssl_error("ASN1_BIT_STRING_set_bit", "keyUsage"));
  return add_extension(to, NID_key_usage, usage.get(), Critical::yes);
}

Result<void> add_extended_key_usage(X509* to, KeyPurpose purpose) {
  const ExtendedKeyUsagePtr usage(EXTENDED_KEY_USAGE_new());
  // OBJ_nid2obj gives static objects, which free() leaves alone.
  if (!usage || (purpose != KeyPurpose::client && sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(NID_server_auth)) <= 0) ||
      (purpose != KeyPurpose::server && sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(NID_client_auth)) <= 0))
    return fail(openssl_error("sk_ASN1_OBJECT_push", "extendedKeyUsage"));
  return add_extension(to, NID_ext_key_usage, usage.get(), Critical::no);
}

Result<void> add_subject_key_id(X509* to) {
  // RFC 7093 2 (1): the leftmost 160 bits of the SHA-256 of the key; SHA-1 is not needed for anything.
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const Asn1OctetStringPtr id(ASN1_OCTET_STRING_new());
  if (!id || X509_pubkey_digest(to, EVP_sha256(), digest.data(), &size) != 1 || ASN1_OCTET_STRING_set(id.get(), digest.data(), 20) != 1)
    return fail(openssl_error("X509_pubkey_digest", "subjectKeyIdentifier"));
  return add_extension(to, NID_subject_key_identifier, id.get(), Critical::no);
}

Result<void> add_subject_alt_name(X509* to, const Names& names, Critical critical) {
  PGCERTD_TRY(const GeneralNamesPtr general, general_names(names));
  return add_extension(to, NID_subject_alt_name, general.get(), critical);
}

Result<void> add_crl_url(X509* to, std::string_view url) {
  if (url.empty()) return {};
  const CrlPointsPtr points(CRL_DIST_POINTS_new());
  CrlPointPtr point(DIST_POINT_new());
  if (!points || !point || !(point->distpoint = DIST_POINT_NAME_new())) return fail(openssl_error("DIST_POINT_new", "cRLDistributionPoints"));
  GeneralNamesPtr full(GENERAL_NAMES_new());
  if (!full) return fail(openssl_error("GENERAL_NAMES_new", "cRLDistributionPoints"));
  PGCERTD_CHECK(push_text(full.get(), GEN_URI, url));
  point->distpoint->type = 0;   // fullName
  point->distpoint->name.fullname = full.release();
  if (sk_DIST_POINT_push(points.get(), point.get()) <= 0) return fail(openssl_error("sk_DIST_POINT_push", "cRLDistributionPoints"));
  (void)point.release();        // the stack owns it
  return add_extension(to, NID_crl_distribution_points, points.get(), Critical::no);
}

Result<AuthorityKeyIdPtr> authority_key_id(X509* ca) {
  const ASN1_OCTET_STRING* key_id = X509_get0_subject_key_id(ca);
  if (!key_id) return AuthorityKeyIdPtr{};
  AuthorityKeyIdPtr out(AUTHORITY_KEYID_new());
  if (!out || !(out->keyid = ASN1_OCTET_STRING_dup(key_id))) return fail(openssl_error("AUTHORITY_KEYID_new", "authorityKeyIdentifier"));
  return out;
}

}  // namespace pgcertd::x509
