// Ceremonies: what is done once, by a person, with the root's key. A directory appears whole, by one rename, or not at all.
// Any thread; the time is an argument.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd::ca {

struct InitOptions {
  std::string root_dir;
  std::string issuing_dir;                     // empty: a root only
  std::string root_common_name;                // empty: "pgcertd root CA" with eight digits of its key's hash
  std::string issuing_common_name;             // empty: "pgcertd issuing CA" likewise
  std::string root_key_uri, issuing_key_uri;   // pkcs11: a key that is in a token already; the passphrases are its PINs
  KeyType root_key_type = KeyType::ecdsa_p384;
  KeyType issuing_key_type = KeyType::ecdsa_p256;
  Duration root_lifetime = std::chrono::days{15 * 365};
  Duration issuing_lifetime = std::chrono::days{2 * 365};   // clamped to the root's
  std::optional<Secret> root_passphrase;       // encrypts root.key
  bool root_without_passphrase = false;        // has to be asked for where root_passphrase is absent
  std::optional<Secret> issuing_passphrase;    // absent: issuing.key is not encrypted
  Duration root_crl_lifetime = std::chrono::days{396};      // 13 months: signed at each visit of the root
  Duration issuing_crl_lifetime = std::chrono::days{30};
};

struct InitReport {
  CertFacts root;
  std::optional<CertFacts> issuing;
  std::string root_certificate;                // path, for clients
  std::string root_key;                        // path, to be taken away
  bool root_key_encrypted = false;
  bool issuing_key_encrypted = false;
  CrlFacts root_crl;
  std::optional<CrlFacts> issuing_crl;
};

// Run by root, the issuing directory belongs to the owner of its place (an empty directory that was there, or its parent),
// because that is the user that the daemon runs as; the root's directory stays root's.
// Errc::invalid: an option is impossible; Errc::exists: a directory is there and not empty.
Result<InitReport> init_ca(const InitOptions& options, TimePoint now);

struct IssuingOptions {
  std::string directory;
  std::string root_pem;                        // the one that will sign it, as it was carried here
  std::string common_name;                     // empty: "pgcertd issuing CA" with eight digits of its key's hash
  std::string key_uri;                         // pkcs11: a key that is in a token already; the passphrase is its PIN
  KeyType key_type = KeyType::ecdsa_p256;
  Duration lifetime = std::chrono::days{2 * 365};   // asked for; the root's side decides
  std::optional<Secret> passphrase;            // absent: issuing.key is not encrypted
};
struct IssuingReport {
  CertFacts root;
  std::string subject, spki_sha256;
  std::string request;                         // the text to be carried to the root
  bool key_encrypted = false;
};
// On the host that is to issue, where the root's key never is: the key is born here, and its request waits (waiting_ca.hpp). The
// directory's owner and errors as init_ca.
Result<IssuingReport> begin_issuing_ca(const IssuingOptions& options, TimePoint now);

}  // namespace pgcertd::ca
