#include "x509/weakness.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "base/text.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::array<std::string_view, 6> weak_digests{"md2", "md4", "md5", "md5-sha1", "ripemd160", "sha1"};

// Nobody checks the signature that a certificate makes upon itself.
std::string weak_signature(const CertFacts& certificate) {
  const bool weak = std::find(weak_digests.begin(), weak_digests.end(), certificate.signature_digest) != weak_digests.end();
  if (!weak || certificate.self_signed) return {};
  return fmt::format("signed with {}, which is below security level 2", certificate.signature_digest);
}

// Of the leaf only: SCRAM binds to the digest that its signature names (RFC 5929 4.1).
std::string unbindable(const CertFacts& leaf) {
  if (!leaf.signature_digest.empty()) return {};
  return fmt::format("signed with {}, which names no digest: SCRAM's channel binding fails", leaf.signature_algorithm);
}

std::string weakness_of(const CertFacts& certificate, bool is_leaf) {
  if (std::string key = weak_key(certificate.key_name); !key.empty()) return key;
  if (std::string signature = weak_signature(certificate); !signature.empty()) return signature;
  return is_leaf ? unbindable(certificate) : std::string{};
}

}  // namespace

std::string weak_key(const std::string& key_name) {
  if (key_name.starts_with("ecdsa-p") || key_name == "ed25519" || key_name == "ed448") return {};
  for (const std::string_view prefix : {"rsa-pss-", "rsa-"}) {
    if (!key_name.starts_with(prefix)) continue;
    int bits = 0;
    std::from_chars(key_name.data() + prefix.size(), key_name.data() + key_name.size(), bits);
    return bits >= 2048 ? std::string{} : fmt::format("{} key: at least rsa-2048 is needed at security level 2", key_name);
  }
  return fmt::format("{} key: TLS peers take P-256, P-384 and P-521, RSA and Ed25519", key_name);
}

std::string weakness(const std::vector<CertFacts>& chain) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    const std::string why = weakness_of(chain[i], i == 0);
    if (!why.empty()) return fmt::format("\"{}\": {}", printable(chain[i].subject.empty() ? chain[i].serial : chain[i].subject, 200), why);
  }
  return {};
}

}  // namespace pgcertd::x509
