// What is read out of certificates and CRLs, as plain values (RFC 5280 names). Filled by lib/x509; judged everywhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace pgcertd {

enum class KeyType : std::uint8_t { other, ecdsa_p256, ecdsa_p384, rsa_2048, rsa_3072, rsa_4096, ed25519 };
// "ecdsa-p256", as in the configuration; "other" for a key that pgcertd reads but never makes.
std::string_view to_string(KeyType type) noexcept;
std::optional<KeyType> parse_key_type(std::string_view text) noexcept;

// RFC 5280 4.2.1.6: the two kinds of GeneralName that libpq matches.
struct Names {
  std::vector<std::string> dns;   // dNSName, lower case
  std::vector<std::string> ip;    // iPAddress in the text form of inet_ntop
  bool operator==(const Names&) const = default;
};

struct CertFacts {
  std::string subject;                  // RFC 2253, as OpenSSL prints it; hostile text: show it through printable()
  std::string issuer;
  std::string common_name;              // first CN of the subject
  std::string serial;                   // hex, lower case
  std::string fingerprint_sha256;       // hex of the DER
  std::string spki_sha256;              // hex of the SubjectPublicKeyInfo
  std::string subject_key_id;           // hex, or empty
  std::string authority_key_id;         // hex of its keyIdentifier, or empty
  Names names;                          // subjectAltName
  TimePoint not_before{};
  TimePoint not_after{};                // base/time.hpp: no_expiry means that there is no end
  KeyType key_type = KeyType::other;
  std::string key_name;                 // "ecdsa-p256", "rsa-1024", "secp256k1": what it is, also where key_type is other
  std::string signature_algorithm;      // "ecdsa-with-SHA256"
  std::string signature_digest;         // "sha256"; empty where none is defined (EdDSA), which breaks SCRAM's channel binding
  bool is_ca = false;                   // basicConstraints
  bool self_issued = false;             // subject == issuer
  bool self_signed = false;             // and its own key verifies its signature
  bool server_auth = false;             // extendedKeyUsage absent or serverAuth or any
  bool client_auth = false;             // extendedKeyUsage absent or clientAuth or any
  bool crl_sign = false;                // keyUsage absent or cRLSign
  bool operator==(const CertFacts&) const = default;
};

// The largest file of CRLs that is read, written or fetched: of a million entries, each with a reason, PEM takes 72 MB.
constexpr std::size_t largest_crl = std::size_t{96} << 20U;

std::vector<std::string> all_names(const Names& names);   // dNSName first, then iPAddress

struct CrlFacts {
  std::string issuer;
  std::string authority_key_id;         // hex, or empty
  std::string number;                   // decimal CRL number, or empty
  TimePoint this_update{};
  std::optional<TimePoint> next_update;
  std::uint64_t revoked = 0;            // entries
  std::string fingerprint_sha256;
  bool delta = false;                   // deltaCRLIndicator
  bool indirect = false;                // issuingDistributionPoint says indirectCRL
  bool unknown_critical = false;        // a critical extension we do not know
  bool operator==(const CrlFacts&) const = default;
};

}  // namespace pgcertd
