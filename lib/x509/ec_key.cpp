#include "x509/ec_key.hpp"

#include <openssl/core_names.h>
#include <openssl/ec.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "x509/der_reader.hpp"

namespace pgcertd::x509 {
namespace {

using PointPtr = std::unique_ptr<unsigned char, BytesFree>;
using SecretNumberPtr = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;

PointPtr encoded_point(EVP_PKEY* key, std::size_t& size) {
  unsigned char* point = nullptr;
  size = EVP_PKEY_get1_encoded_public_key(key, &point);
  return PointPtr(size == 0 ? nullptr : point);
}

std::size_t field_size(const EVP_PKEY* key) { return (static_cast<std::size_t>(EVP_PKEY_get_bits(key)) + 7) / 8; }

// Not by EVP_PKEY_get_bn_param, whose copy on the stack stays there.
SecretNumberPtr private_number(EVP_PKEY* key) {
  Secret room = Secret::with_size(field_size(key));
  OSSL_PARAM asked[] = {OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY, reinterpret_cast<unsigned char*>(room.data()), room.size()), OSSL_PARAM_construct_end()};
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_params(key, asked) == 1) (void)OSSL_PARAM_get_BN(&asked[0], &number);
  return SecretNumberPtr(number);
}

// publicKey [1] BIT STRING, of whole octets.
std::string public_part(std::string_view point) {
  const std::string bits = der::header(der::bit_string, point.size() + 1) + '\0' + std::string(point);
  return der::header(der::context_1, bits.size()) + bits;
}

}  // namespace

PublicKeyPtr encode_public(EVP_PKEY* key, const char* group) {
  std::size_t size = 0;
  PointPtr point = encoded_point(key, size);
  PublicKeyPtr out(X509_PUBKEY_new());
  if (!point || !out || X509_PUBKEY_set0_param(out.get(), OBJ_nid2obj(EVP_PKEY_EC), V_ASN1_OBJECT, OBJ_nid2obj(EC_curve_nist2nid(group)), point.get(), static_cast<int>(size)) != 1) return nullptr;
  (void)point.release();   // set0: it is the key's now
  return out;
}

Pkcs8InfoPtr encode_private(EVP_PKEY* key, const char* group) {
  std::size_t point_size = 0;
  const PointPtr point = encoded_point(key, point_size);
  const SecretNumberPtr number = private_number(key);
  Pkcs8InfoPtr out(PKCS8_PRIV_KEY_INFO_new());
  if (!point || !number || !out) return nullptr;
  const std::size_t size = field_size(key);
  const std::string after = public_part({reinterpret_cast<const char*>(point.get()), point_size});
  std::string before = std::string("\x02\x01\x01", 3) + der::header(der::octet_string, size);   // version 1
  before.insert(0, der::header(der::sequence, before.size() + size + after.size()));
  const std::size_t total = before.size() + size + after.size();
  auto* const bytes = static_cast<unsigned char*>(OPENSSL_malloc(total));
  if (bytes == nullptr) return nullptr;
  std::ranges::copy(before, bytes);
  std::ranges::copy(after, bytes + before.size() + size);
  if (BN_bn2binpad(number.get(), bytes + before.size(), static_cast<int>(size)) == static_cast<int>(size) &&
      PKCS8_pkey_set0(out.get(), OBJ_nid2obj(EVP_PKEY_EC), 0, V_ASN1_OBJECT, OBJ_nid2obj(EC_curve_nist2nid(group)), bytes, static_cast<int>(total)) == 1)
    return out;
  OPENSSL_clear_free(bytes, total);
  return nullptr;
}

}  // namespace pgcertd::x509
