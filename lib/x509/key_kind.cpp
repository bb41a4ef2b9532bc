#include "x509/key_kind.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace pgcertd::x509 {
namespace {

std::string curve_name(const EVP_PKEY* key) {
  std::array<char, 80> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(key, group.data(), group.size(), &size) != 1) return "ec-explicit";
  const std::string_view name(group.data(), size);
  if (name == "prime256v1" || name == "P-256") return "ecdsa-p256";
  if (name == "secp384r1" || name == "P-384") return "ecdsa-p384";
  if (name == "secp521r1" || name == "P-521") return "ecdsa-p521";
  return std::string(name);
}

std::string kind_name(const EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: return fmt::format("rsa-{}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_RSA_PSS: return fmt::format("rsa-pss-{}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_DSA: return fmt::format("dsa-{}", EVP_PKEY_get_bits(key));
    case EVP_PKEY_EC: return curve_name(key);
    case EVP_PKEY_ED25519: return "ed25519";
    case EVP_PKEY_ED448: return "ed448";
    default: break;
  }
  const char* name = EVP_PKEY_get0_type_name(key);
  return name ? name : "unknown";
}

}  // namespace

KeyKind key_kind(const EVP_PKEY* key) {
  if (!key) return {};
  std::string name = kind_name(key);
  const KeyType type = parse_key_type(name).value_or(KeyType::other);
  return {type, std::move(name)};
}

const EVP_MD* signing_digest(const EVP_PKEY* key) {
  const std::string name = kind_name(key);
  if (name == "ed25519" || name == "ed448") return nullptr;
  if (name == "ecdsa-p384") return EVP_sha384();
  if (name == "ecdsa-p521") return EVP_sha512();
  return EVP_sha256();
}

}  // namespace pgcertd::x509
