#include "x509/pkcs8.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include "x509/asn1.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

constexpr int iterations = 600'000;           // OWASP's figure for PBKDF2-HMAC-SHA256, about 145 ms
constexpr int salt_bytes = 16;
constexpr std::int64_t most_iterations = 10'000'000;

const void* sequence_of(const X509_ALGOR* algorithm, int& nid) {
  const ASN1_OBJECT* object = nullptr;
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(&object, &type, &value, algorithm);
  nid = OBJ_obj2nid(object);
  return type == V_ASN1_SEQUENCE ? value : nullptr;
}

template <class Ptr>
Ptr decode(const void* sequence, const ASN1_ITEM* item) {
  return Ptr(sequence ? static_cast<typename Ptr::pointer>(ASN1_item_unpack(static_cast<const ASN1_STRING*>(sequence), item)) : nullptr);
}

std::int64_t value_of(const ASN1_INTEGER* integer) {
  std::int64_t value = 0;
  return integer && ASN1_INTEGER_get_int64(&value, integer) == 1 ? value : most_iterations + 1;
}

// 0 for a scheme that has no such number (scrypt, which the library bounds by memory).
std::int64_t iterations_of(const X509_ALGOR* algorithm) {
  int nid = NID_undef;
  const void* sequence = sequence_of(algorithm, nid);
  if (nid != NID_pbes2) {
    const auto pbe = decode<PbePtr>(sequence, ASN1_ITEM_rptr(PBEPARAM));
    return pbe ? value_of(pbe->iter) : 0;
  }
  const auto pbes2 = decode<PbesPtr>(sequence, ASN1_ITEM_rptr(PBE2PARAM));
  if (!pbes2) return 0;
  const void* inner = sequence_of(pbes2->keyfunc, nid);
  const auto kdf = nid == NID_id_pbkdf2 ? decode<KdfPtr>(inner, ASN1_ITEM_rptr(PBKDF2PARAM)) : nullptr;
  return kdf ? value_of(kdf->iter) : 0;
}

}  // namespace

bool is_password_based(const X509_SIG* sealed) {
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* octets = nullptr;
  X509_SIG_get0(sealed, &algorithm, &octets);
  int nid = NID_undef;
  (void)sequence_of(algorithm, nid);   // only the object identifier is asked for
  return nid == NID_pbes2 || EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, nullptr, nullptr, nullptr) == 1;
}

Result<KeyPtr> unseal(const X509_SIG* sealed, const Secret& passphrase, std::string_view name) {
  const X509_ALGOR* algorithm = nullptr;
  const ASN1_OCTET_STRING* octets = nullptr;
  X509_SIG_get0(sealed, &algorithm, &octets);
  if (const auto count = iterations_of(algorithm); count > most_iterations)
    return fail(Errc::parse, fmt::format("\"{}\": its key derivation wants more than {} iterations", name, most_iterations));
  const Pkcs8InfoPtr info(PKCS8_decrypt(sealed, passphrase.view().data(), static_cast<int>(passphrase.size())));
  if (!info) return fail(Errc::crypto, fmt::format("PKCS8_decrypt \"{}\": wrong passphrase or damaged key ({})", name, drain_errors()));
  KeyPtr key(EVP_PKCS82PKEY(info.get()));
  if (!key) return fail(openssl_error("EVP_PKCS82PKEY", name, Errc::parse));
  return key;
}

Result<Secret> seal_to_pem(EVP_PKEY* key, const Secret& passphrase) {
  const Pkcs8InfoPtr info(EVP_PKEY2PKCS8(key));
  if (!info) return fail(openssl_error("EVP_PKEY2PKCS8", "private key"));
  AlgorithmPtr scheme(PKCS5_pbe2_set_iv(EVP_aes_256_cbc(), iterations, nullptr, salt_bytes, nullptr, NID_hmacWithSHA256));
  if (!scheme) return fail(openssl_error("PKCS5_pbe2_set_iv", "private key"));
  const Pkcs8SigPtr sealed(PKCS8_set0_pbe(passphrase.view().data(), static_cast<int>(passphrase.size()), info.get(), scheme.get()));
  if (!sealed) return fail(openssl_error("PKCS8_set0_pbe", "private key"));
  (void)scheme.release();   // set0: the sealed key owns it now
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_PKCS8(bio.get(), sealed.get()) != 1) return fail(openssl_error("PEM_write_bio_PKCS8", "private key"));
  return Secret(bio_text(bio.get()));
}

}  // namespace pgcertd::x509
