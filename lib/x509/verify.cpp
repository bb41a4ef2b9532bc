#include "x509/verify.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <optional>
#include <variant>

#include "base/last_few.hpp"
#include "base/text.hpp"
#include "x509/asn1.hpp"
#include "x509/crl_object.hpp"
#include "x509/openssl_error.hpp"
#include "x509/weakness.hpp"

namespace pgcertd::x509 {
namespace {

// What libpq's SSL_CTX has on Debian, and so what judges a served chain; PostgreSQL's own context has the same.
constexpr int security_level = 2;
constexpr std::size_t signatures_kept = 64;
constexpr std::size_t remembered_up_to = 64U << 10U;   // bytes

ChainVerdict refusal(std::string why) { return {.ok = false, .error = std::move(why), .incomplete = false, .not_after = no_expiry}; }

bool is_incomplete(int error) {
  return error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT || error == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
         error == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

// OpenSSL looks into a CRL for the serials of the path alone. So it gets an excerpt with those entries, whose signature is never
// right; and where it complains of that, the signature of the CRL itself is judged. An object of all entries would take eight times
// their DER, and a second of time where there are a million.
struct Excerpt {
  X509CrlPtr made;
  X509_CRL* object = nullptr;    // `made`, or the object that the CRL itself holds
  const Crl* crl = nullptr;
};

std::vector<std::string> serials_of(const std::vector<Certificate>& chain, const std::vector<Certificate>& roots) {
  std::vector<std::string> out;
  for (const auto* certificates : {&chain, &roots})
    for (const Certificate& certificate : *certificates) out.push_back(serial_octets(X509_get0_serialNumber(certificate.handle().x509.get())));
  return out;
}

std::optional<std::vector<Excerpt>> excerpts_of(const std::vector<Crl>& crls, const std::vector<std::string>& serials) {
  std::vector<Excerpt> out;
  for (const Crl& crl : crls) {
    const Crl::Handle& handle = crl.handle();
    Excerpt one{handle.whole ? nullptr : excerpt(handle, serials, static_cast<std::uint32_t>(out.size())), handle.whole.get(), &crl};
    if (one.object == nullptr) one.object = one.made.get();
    if (one.object == nullptr) return std::nullopt;
    out.push_back(std::move(one));
  }
  return out;
}

// Whether the key of this certificate signed it. That it did is remembered, by the fingerprints of both: the few that there are are judged
// with each chain. The fingerprint of a large one takes as long as to verify it.
bool signed_with_key_of(const Crl& crl, const X509* authority) {
  static LastFew<std::string, std::monostate> known(signatures_kept);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_PKEY* const key = X509_get0_pubkey(authority);
  if (key == nullptr) return false;
  if (crl.handle().der.size() > remembered_up_to) return verifies(crl.handle(), key);
  if (X509_digest(authority, EVP_sha256(), digest.data(), &size) != 1) return false;
  std::string both = crl.facts().fingerprint_sha256 + std::string(reinterpret_cast<const char*>(digest.data()), size);
  if (known.find(both)) return true;
  if (!verifies(crl.handle(), key)) return false;
  known.keep(std::move(both), {});
  return true;
}

// Answers for the signature of an excerpt, and for nothing else.
int judge_excerpt(int ok, X509_STORE_CTX* context) {
  if (ok == 1 || X509_STORE_CTX_get_error(context) != X509_V_ERR_CRL_SIGNATURE_FAILURE) return ok;
  const auto* const excerpts = static_cast<const std::vector<Excerpt>*>(X509_STORE_CTX_get_app_data(context));
  const auto about = std::ranges::find_if(*excerpts, [&](const Excerpt& one) { return one.made && one.object == X509_STORE_CTX_get0_current_crl(context); });
  const X509* const issuer = X509_STORE_CTX_get0_current_issuer(context);
  if (about == excerpts->end() || issuer == nullptr || !signed_with_key_of(*about->crl, issuer)) return 0;
  X509_STORE_CTX_set_error(context, X509_V_OK);
  return 1;
}

StorePtr make_store(const std::vector<Certificate>& roots, const std::vector<Excerpt>& crls) {
  StorePtr store(X509_STORE_new());
  if (!store) return store;
  for (const Certificate& root : roots)
    if (X509_STORE_add_cert(store.get(), root.handle().x509.get()) != 1) return nullptr;
  for (const Excerpt& one : crls)
    if (X509_STORE_add_crl(store.get(), one.object) != 1) return nullptr;
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

// A chain that was found good, and while it is: each look judges the same few, and most of that is signatures of a curve that is slow to
// verify. All else that is verified does not depend on the time.
struct KnownGood {
  TimePoint begin{}, end = no_expiry;   // half open
  ChainVerdict verdict;
  [[nodiscard]] bool holds(TimePoint at) const { return begin <= at && at < end; }
  void narrow(TimePoint from, TimePoint to) { begin = std::max(begin, from), end = std::min(end, to); }
};
constexpr std::size_t verdicts_kept = 64;

// While all of them are in force. Where one is not, another may be chosen later, and what is said now is not remembered.
KnownGood known_good(const std::vector<Certificate>& chain, const std::vector<Certificate>& roots, const std::vector<Crl>& crls, const ChainVerdict& verdict) {
  KnownGood good{.begin = {}, .end = no_expiry, .verdict = verdict};
  for (const auto* certificates : {&chain, &roots})
    for (const Certificate& one : *certificates) good.narrow(one.facts().not_before, one.facts().not_after);
  for (const Crl& crl : crls) good.narrow(crl.facts().this_update, crl.facts().next_update.value_or(no_expiry));
  return good;
}

// By their fingerprints, which nobody can make two of.
std::string question_of(const std::vector<Certificate>& chain, const std::vector<Certificate>& roots, Purpose purpose, const std::vector<Crl>& crls) {
  std::string out = std::to_string(static_cast<int>(purpose));
  for (const auto* certificates : {&chain, &roots}) {
    out += '/';
    for (const Certificate& one : *certificates) out += one.facts().fingerprint_sha256;
  }
  out += '/';
  for (const Crl& one : crls) out += one.facts().fingerprint_sha256;
  return out;
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
  static LastFew<std::string, KnownGood> known(verdicts_kept);
  std::string question = question_of(chain, roots, purpose, crls);
  if (auto good = known.find(question); good && good->holds(at)) return std::move(good->verdict);
  auto excerpts = excerpts_of(crls, serials_of(chain, roots));
  if (!excerpts) return refusal(fmt::format("d2i_X509_CRL: {}", drain_errors()));
  const StorePtr store = make_store(roots, *excerpts);
  const CertStackPtr intermediates = intermediates_of(chain);
  const StoreContextPtr context(X509_STORE_CTX_new());
  if (!store || !intermediates || !context ||
      X509_STORE_CTX_init(context.get(), store.get(), chain.front().handle().x509.get(), intermediates.get()) != 1 ||
      !prepare(context.get(), purpose, at))
    return refusal(fmt::format("X509_STORE_CTX_init: {}", drain_errors()));
  X509_STORE_CTX_set_app_data(context.get(), &*excerpts);
  X509_STORE_CTX_set_verify_cb(context.get(), judge_excerpt);
  ChainVerdict verdict = verdict_of(context.get(), X509_verify_cert(context.get()) == 1);
  if (auto good = known_good(chain, roots, crls, verdict); verdict.ok && good.holds(at)) known.keep(std::move(question), std::move(good));
  return verdict;
}

std::string weakness(const std::vector<Certificate>& chain) {
  std::vector<CertFacts> facts;
  for (const Certificate& certificate : chain) facts.push_back(certificate.facts());
  return weakness(facts);
}

bool crl_signed_by(const Crl& crl, const Certificate& authority) {
  const CleanErrorQueue clean;
  return signed_with_key_of(crl, authority.handle().x509.get());
}

std::string name_hash(const Certificate& authority) {
  const CleanErrorQueue clean;
  return fmt::format("{:08x}", X509_subject_name_hash(authority.handle().x509.get()));
}

std::vector<std::string> entries_missing(const Crl& before, const Crl& after) {
  const CleanErrorQueue clean;
  std::vector<std::string> out;
  for_each_entry(before.handle(), [&](const EntrySeen& entry) {
    if (!revokes(after.handle(), entry.serial)) out.push_back(serial_hex(entry.serial));
  });
  return out;
}

bool key_matches(const PrivateKey& key, const Certificate& leaf) {
  const CleanErrorQueue clean;
  return X509_check_private_key(leaf.handle().x509.get(), key.handle().key.get()) == 1;
}

}  // namespace pgcertd::x509
