#include "core/cert.hpp"

#include <array>
#include <utility>

namespace pgcertd {
namespace {

constexpr std::array<std::pair<KeyType, std::string_view>, 7> key_type_names{{
    {KeyType::other, "other"},
    {KeyType::ecdsa_p256, "ecdsa-p256"},
    {KeyType::ecdsa_p384, "ecdsa-p384"},
    {KeyType::rsa_2048, "rsa-2048"},
    {KeyType::rsa_3072, "rsa-3072"},
    {KeyType::rsa_4096, "rsa-4096"},
    {KeyType::ed25519, "ed25519"},
}};

}  // namespace

std::string_view to_string(KeyType type) noexcept {
  for (const auto& [value, name] : key_type_names)
    if (value == type) return name;
  return "other";
}

std::optional<KeyType> parse_key_type(std::string_view text) noexcept {
  for (const auto& [value, name] : key_type_names)
    if (name == text && value != KeyType::other) return value;
  return std::nullopt;
}

std::vector<std::string> all_names(const Names& names) {
  std::vector<std::string> out = names.dns;
  out.insert(out.end(), names.ip.begin(), names.ip.end());
  return out;
}

}  // namespace pgcertd
