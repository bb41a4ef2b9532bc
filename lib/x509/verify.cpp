#include "x509/verify.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>

#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"
#include "x509/weakness.hpp"

namespace pgcertd::x509 {
namespace {

// What libpq's SSL_CTX has on Debian, and so what judges a served chain; PostgreSQL's own context has the same.
constexpr int security_level = 2;

ChainVerdict refusal(std::string why) { return {.ok = false, .error = std::move(why), .incomplete = false, .not_after = no_expiry}; }

bool is_incomplete(int error) {
  return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

StorePtr make_store(const std::vector<Certificate>& roots, const std::vector<Crl>& crls) {
  StorePtr store(X509_STORE_new());
  if (!store) return store;
  for (const Certificate& root : roots)
    if (X509_STORE_add_cert(store.get(), root.handle().x509.get()) != 1) return nullptr;
  for (const Crl& crl : crls)
    if (X509_STORE_add_crl(store.get(), crl.handle().crl.get()) != 1) return nullptr;
  if (!crls.empty()) X509_STORE_set_flags(store.get(), X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return store;
}

CertStackPtr intermediates_of(const std::vector<Certificate>& chain) {
  CertStackPtr stack(sk_X509_new_null());
  for (std::size_t i = 1; stack && i < chain.size(); ++i)
    if (sk_X509_push(stack.get(), chain[i].handle().x509.get()) <= 0) return nullptr;
  return stack;
}

// As libssl prepares the verification of a peer: purpose and trust by name, the security level, the time.
bool prepare(X509_STORE_CTX* context, Purpose purpose, TimePoint at) {
  if (purpose != Purpose::any && X509_STORE_CTX_set_default(context, purpose == Purpose::server ? "ssl_server" : "ssl_client") != 1) return false;
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_auth_level(parameters, security_level);
  X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(to_unix(at)));
  return true;
}

ChainVerdict verdict_of(X509_STORE_CTX* context, bool ok) {
  if (ok) {
    ChainVerdict out{.ok = true, .error = {}, .incomplete = false, .not_after = no_expiry};
    STACK_OF(X509)* path = X509_STORE_CTX_get0_chain(context);
    for (int i = 0; i < sk_X509_num(path); ++i)
      out.not_after = std::min(out.not_after, from_asn1(X509_get0_notAfter(sk_X509_value(path, i)), "notAfter").value_or(out.not_after));
    return out;
  }
  const int error = X509_STORE_CTX_get_error(context);
  X509* about = X509_STORE_CTX_get_current_cert(context);
  const std::string subject = about ? printable(name_text(X509_get_subject_name(about)), 200) : std::string("?");
  ChainVerdict out = refusal(fmt::format("{} (certificate {} of the path: \"{}\")", X509_verify_cert_error_string(error),
                                         X509_STORE_CTX_get_error_depth(context) + 1, subject));
  out.incomplete = is_incomplete(error);
  return out;
}

}  // namespace

ChainVerdict verify_chain(const std::vector<Certificate>& chain, const std::vector<Certificate>& roots, Purpose purpose, TimePoint at,
                          const std::vector<Crl>& crls) {
  const CleanErrorQueue clean;
  if (chain.empty()) return refusal("there is no certificate to verify");
  if (roots.empty()) return refusal("there is no root certificate to verify against");
  const StorePtr store = make_store(roots, crls);
  const CertStackPtr intermediates = intermediates_of(chain);
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!store || !intermediates || !context ||
      X509_STORE_CTX_init(context.get(), store.get(), chain.front().handle().x509.get(), intermediates.get()) != 1 ||
      !prepare(context.get(), purpose, at))
    return refusal(fmt::format("X509_STORE_CTX_init: {}", drain_errors()));
  return verdict_of(context.get(), X509_verify_cert(context.get()) == 1);
}

std::string weakness(const std::vector<Certificate>& chain) {
  std::vector<CertFacts> facts;
  for (const Certificate& certificate : chain) facts.push_back(certificate.facts());
  return weakness(facts);
}

bool crl_signed_by(const Crl& crl, const Certificate& authority) {
  const CleanErrorQueue clean;
  EVP_PKEY* const key = X509_get0_pubkey(authority.handle().x509.get());
  return key != nullptr && X509_CRL_verify(crl.handle().crl.get(), key) == 1;
}

std::string name_hash(const Certificate& authority) {
  const CleanErrorQueue clean;
  return fmt::format("{:08x}", X509_subject_name_hash(authority.handle().x509.get()));
}

std::vector<std::string> entries_missing(const Crl& before, const Crl& after) {
  const CleanErrorQueue clean;
  std::vector<std::string> out;
  STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(before.handle().crl.get());
  for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
    const ASN1_INTEGER* serial = X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(entries, i));
    X509_REVOKED* entry = nullptr;
    if (X509_CRL_get0_by_serial(after.handle().crl.get(), &entry, serial) != 1) out.push_back(serial_hex(serial));
  }
  return out;
}

bool key_matches(const PrivateKey& key, const Certificate& leaf) {
  const CleanErrorQueue clean;
  return X509_check_private_key(leaf.handle().x509.get(), key.handle().key.get()) == 1;
}

}  // namespace pgcertd::x509
