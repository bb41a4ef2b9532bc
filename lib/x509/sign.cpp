#include "x509/sign.hpp"

#include <fmt/format.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/extensions.hpp"
#include "x509/handles.hpp"
#include "x509/key_kind.hpp"
#include "x509/openssl_error.hpp"
#include "x509/request_object.hpp"
#include "x509/weakness.hpp"

namespace pgcertd::x509 {
namespace {

// Bit numbers of RFC 5280 4.2.1.3.
constexpr int digital_signature = 0, key_encipherment = 2, key_cert_sign = 5, crl_sign = 6;

TimePoint whole_seconds(TimePoint at) { return from_unix(to_unix(at)); }

Result<void> set_validity(X509* to, Validity validity) {
  if (validity.not_after <= validity.not_before)
    return fail(Errc::invalid, fmt::format("a certificate from {} to {} would never be valid", to_rfc3339(validity.not_before), to_rfc3339(validity.not_after)),
                "the issuer's certificate has ended or is about to: renew the issuing CA");
  PGCERTD_TRY(const Asn1TimePtr not_before, to_asn1(validity.not_before));
  PGCERTD_TRY(const Asn1TimePtr not_after, to_asn1(validity.not_after));
  if (X509_set1_notBefore(to, not_before.get()) == 1 && X509_set1_notAfter(to, not_after.get()) == 1) return {};
  return fail(openssl_error("X509_set1_notAfter", "certificate"));
}

struct Frame {
  const X509_NAME* subject;
  const X509_NAME* issuer;
  const X509_PUBKEY* key;
  std::string_view serial;
  Validity validity;
};

// All that each profile has: version 3, serial, names, dates, key and its identifier.
Result<X509Ptr> begin(const Frame& frame) {
  PGCERTD_TRY(const Asn1IntegerPtr serial, integer_from_hex(frame.serial));
  X509Ptr x509(X509_new());
  if (!x509 || X509_set_version(x509.get(), X509_VERSION_3) != 1 || X509_set_serialNumber(x509.get(), serial.get()) != 1 ||
      X509_set_subject_name(x509.get(), frame.subject) != 1 || X509_set_issuer_name(x509.get(), frame.issuer) != 1 ||
      !copy_public_key(X509_get_X509_PUBKEY(x509.get()), frame.key))
    return fail(openssl_error("X509_new", frame.serial));
  PGCERTD_CHECK(set_validity(x509.get(), frame.validity));
  PGCERTD_CHECK(add_subject_key_id(x509.get()));
  return x509;
}

Result<X509Ptr> begin_under(const Certificate& ca, const X509_NAME* subject, const X509_PUBKEY* key, std::string_view serial, Validity validity) {
  return begin({.subject = subject, .issuer = X509_get_subject_name(ca.handle().x509.get()), .key = key, .serial = serial, .validity = validity});
}

Result<Certificate> finish(X509Ptr x509, const PrivateKey& signer) {
  EVP_PKEY* key = signer.handle().key.get();
  if (X509_sign(x509.get(), key, signing_digest(key)) <= 0) return fail(openssl_error("X509_sign", signer.key_name()));
  // Read back from DER: what leaves this room is what a client will parse.
  return Certificate::from_der(to_der(x509.get(), i2d_X509));
}

Result<void> add_ca_extensions(X509* x509, bool path_length_zero) {
  PGCERTD_CHECK(add_basic_constraints_ca(x509, path_length_zero));
  return add_key_usage(x509, {key_cert_sign, crl_sign});
}

Result<void> add_authority_key_id(X509* x509, const Certificate& ca) {
  PGCERTD_TRY(const AuthorityKeyIdPtr authority, authority_key_id(ca.handle().x509.get()));
  return authority ? add_extension(x509, NID_authority_key_identifier, authority.get(), Critical::no) : Result<void>{};
}

// The signer must be what it says, and nothing may outlive it: OpenSSL does not enforce nesting.
Result<void> check_signer(const PrivateKey& key, const Certificate& ca, Validity validity) {
  const CertFacts& facts = ca.facts();
  const std::string subject = printable(facts.subject, 120);
  PGCERTD_CHECK(check_ca_key(key.type()));
  if (!facts.is_ca) return fail(Errc::invalid, fmt::format("certificate \"{}\" is no CA", subject));
  if (key.spki_sha256() != facts.spki_sha256)
    return fail(Errc::invalid, fmt::format("the CA's private key does not belong to its certificate \"{}\"", subject),
                "restore key and certificate of the CA directory from the same backup");
  if (validity.not_after > facts.not_after)
    return fail(Errc::refused, fmt::format("a certificate to {} would outlive its CA \"{}\", which ends at {}", to_rfc3339(validity.not_after), subject,
                                           to_rfc3339(facts.not_after)));
  return {};
}

Result<Certificate> issuing_ca_for(const PrivateKey& root_key, const Certificate& root, const X509_PUBKEY* key, std::string_view common_name, std::string_view serial, Validity validity) {
  PGCERTD_CHECK(check_signer(root_key, root, validity));
  PGCERTD_TRY(const X509NamePtr subject, ca_subject(common_name));
  PGCERTD_TRY(X509Ptr x509, begin_under(root, subject.get(), key, serial, validity));
  PGCERTD_CHECK(add_ca_extensions(x509.get(), true));
  PGCERTD_CHECK(add_authority_key_id(x509.get(), root));
  return finish(std::move(x509), root_key);
}

Result<void> add_leaf_extensions(X509* x509, const LeafProfile& profile) {
  const bool has_subject = X509_NAME_entry_count(X509_get_subject_name(x509)) > 0;
  PGCERTD_CHECK(add_basic_constraints_leaf(x509));
  PGCERTD_CHECK(add_extended_key_usage(x509, profile.client_auth ? KeyPurpose::server_and_client : KeyPurpose::server));
  PGCERTD_CHECK(add_crl_url(x509, profile.crl_url));
  // RFC 5280 4.2.1.6: critical where the subject is empty.
  return add_subject_alt_name(x509, profile.names, has_subject ? Critical::no : Critical::yes);
}

Result<void> add_leaf_key_usage(X509* x509, EVP_PKEY* key) {
  const int kind = EVP_PKEY_get_base_id(key);
  return kind == EVP_PKEY_RSA ? add_key_usage(x509, {digital_signature, key_encipherment}) : add_key_usage(x509, {digital_signature});
}

Result<X509ReqPtr> proved_request(std::string_view pem) {
  PGCERTD_TRY(X509ReqPtr request, read_request(pem, "request"));
  const RequestFacts facts = request_facts(request.get());
  if (!facts.signature_ok)
    return fail(Errc::refused, "the request's signature is wrong: its sender does not prove that it holds the key", "make the request again");
  if (const std::string weak = weak_key(facts.key_name); !weak.empty()) return fail(Errc::refused, "the request's key is too weak: " + weak);
  return request;
}

}  // namespace

Validity leaf_validity(TimePoint issue, Duration lifetime, const std::vector<CertFacts>& issuer_chain) {
  const Duration back = std::min<Duration>(std::chrono::hours{1}, lifetime / 10);
  Validity out{.not_before = issue - back, .not_after = lifetime > no_expiry - issue ? no_expiry : issue + lifetime};
  for (const CertFacts& issuer : issuer_chain) {
    out.not_before = std::max(out.not_before, issuer.not_before);
    out.not_after = std::min(out.not_after, issuer.not_after);
  }
  return {.not_before = whole_seconds(out.not_before), .not_after = whole_seconds(out.not_after)};
}

Result<std::string> new_serial() {
  const CleanErrorQueue clean;
  std::array<std::uint8_t, 20> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return fail(openssl_error("RAND_bytes", "serial"));
  bytes[0] = static_cast<std::uint8_t>((bytes[0] & 0x3fU) | 0x40U);   // positive, and always of the same length
  return to_hex(bytes);
}

Result<void> check_ca_key(KeyType type) {
  if (type != KeyType::ed25519) return {};
  return fail(Errc::refused, "a CA with an ed25519 key is refused: its signatures have no digest, and SCRAM's channel binding fails without one",
              "use ecdsa-p256, ecdsa-p384 or rsa-3072 for a CA; a server's own key may be ed25519");
}

Result<Certificate> make_root(const PrivateKey& key, std::string_view common_name, std::string_view serial, Validity validity) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_ca_key(key.type()));
  PGCERTD_TRY(const X509NamePtr subject, ca_subject(common_name));
  PGCERTD_TRY(X509Ptr x509, begin({.subject = subject.get(), .issuer = subject.get(), .key = key.handle().public_key.get(), .serial = serial, .validity = validity}));
  // No pathlen: pathlen:1 would block a rollover by a cross-signed new root.
  PGCERTD_CHECK(add_ca_extensions(x509.get(), false));
  return finish(std::move(x509), key);
}

Result<Certificate> make_issuing_ca(const PrivateKey& root_key, const Certificate& root, const PrivateKey& issuing_key, std::string_view common_name,
                                    std::string_view serial, Validity validity) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_ca_key(issuing_key.type()));
  return issuing_ca_for(root_key, root, issuing_key.handle().public_key.get(), common_name, serial, validity);
}

Result<Certificate> sign_issuing_ca(const PrivateKey& root_key, const Certificate& root, std::string_view request_pem, std::string_view common_name,
                                    std::string_view serial, Validity validity) {
  const CleanErrorQueue clean;
  PGCERTD_TRY(const X509ReqPtr request, proved_request(request_pem));
  PGCERTD_CHECK(check_ca_key(request_facts(request.get()).key_type));
  return issuing_ca_for(root_key, root, X509_REQ_get_X509_PUBKEY(request.get()), common_name, serial, validity);
}

Result<Certificate> sign_leaf(const PrivateKey& ca_key, const Certificate& ca, std::string_view request_pem, const LeafProfile& profile) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_names(profile.names));
  PGCERTD_CHECK(check_signer(ca_key, ca, profile.validity));
  PGCERTD_TRY(const X509ReqPtr request, proved_request(request_pem));
  PGCERTD_TRY(const X509NamePtr subject, leaf_subject(profile.names));
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  PGCERTD_TRY(X509Ptr x509, begin_under(ca, subject.get(), X509_REQ_get_X509_PUBKEY(request.get()), profile.serial, profile.validity));
  PGCERTD_CHECK(add_leaf_extensions(x509.get(), profile));
  PGCERTD_CHECK(add_leaf_key_usage(x509.get(), key));
  PGCERTD_CHECK(add_authority_key_id(x509.get(), ca));
  return finish(std::move(x509), ca_key);
}

Result<Certificate> sign_client(const PrivateKey& ca_key, const Certificate& ca, std::string_view request_pem, const ClientProfile& profile) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_signer(ca_key, ca, profile.validity));
  PGCERTD_TRY(const X509ReqPtr request, proved_request(request_pem));
  PGCERTD_TRY(const X509NamePtr subject, client_subject(profile.role));
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  PGCERTD_TRY(X509Ptr x509, begin_under(ca, subject.get(), X509_REQ_get_X509_PUBKEY(request.get()), profile.serial, profile.validity));
  PGCERTD_CHECK(add_basic_constraints_leaf(x509.get()));
  PGCERTD_CHECK(add_extended_key_usage(x509.get(), KeyPurpose::client));
  PGCERTD_CHECK(add_crl_url(x509.get(), profile.crl_url));
  PGCERTD_CHECK(add_leaf_key_usage(x509.get(), key));
  PGCERTD_CHECK(add_authority_key_id(x509.get(), ca));
  return finish(std::move(x509), ca_key);
}

Result<Certificate> make_self_signed(const PrivateKey& key, const LeafProfile& profile) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_names(profile.names));
  PGCERTD_CHECK(check_ca_key(key.type()));
  PGCERTD_TRY(const X509NamePtr subject, leaf_subject(profile.names));
  PGCERTD_TRY(X509Ptr x509, begin({.subject = subject.get(),
                                   .issuer = subject.get(),
                                   .key = key.handle().public_key.get(),
                                   .serial = profile.serial,
                                   .validity = profile.validity}));
  // Without keyUsage: clients on OpenSSL 1.1.1 take a certificate for self-signed only where it may sign certificates, and
  // keyCertSign beside CA:FALSE is against RFC 5280. An absent keyUsage allows both.
  PGCERTD_CHECK(add_leaf_extensions(x509.get(), profile));
  return finish(std::move(x509), key);
}

}  // namespace pgcertd::x509
