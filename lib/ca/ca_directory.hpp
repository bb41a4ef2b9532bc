// What lies where in a root's and in an issuing CA's directory (both 0700, keys and registry 0600), and a look into one
// that needs no passphrase. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ca {

struct RootDirectory {
  std::string path;
  [[nodiscard]] std::string certificate() const { return path + "/root.crt"; }
  [[nodiscard]] std::string key() const { return path + "/root.key"; }
  [[nodiscard]] std::string crl() const { return path + "/root.crl"; }
  [[nodiscard]] std::string registry() const { return path + "/registry.db"; }
  [[nodiscard]] std::string log() const { return path + "/log"; }
  [[nodiscard]] std::string policy() const { return path + "/policy.toml"; }
};

struct IssuingDirectory {
  std::string path;
  [[nodiscard]] std::string certificate() const { return path + "/issuing.crt"; }
  [[nodiscard]] std::string key() const { return path + "/issuing.key"; }
  [[nodiscard]] std::string crl() const { return path + "/issuing.crl"; }
  [[nodiscard]] std::string root_certificate() const { return path + "/root.crt"; }
  [[nodiscard]] std::string root_crl() const { return path + "/root.crl"; }
  [[nodiscard]] std::string registry() const { return path + "/registry.db"; }
  [[nodiscard]] std::string request() const { return path + "/issuing.csr"; }   // until the root has signed it for the first time
};

struct CaDirectorySeen {
  enum class Kind : std::uint8_t { root, issuing };
  Kind kind = Kind::root;
  CertFacts certificate;              // of the CA that the directory is for
  CertFacts root;                     // the same for a root's directory
  std::string certificate_pem;
  std::string root_pem;               // what clients need to trust
  std::optional<CrlFacts> crl;        // signed by that CA
  std::optional<CrlFacts> root_crl;
  std::string crl_pem, root_crl_pem;  // empty where there is none
  bool key_present = false;           // false: taken away, as a root's should be
  bool key_encrypted = false;
  bool key_in_token = false;          // the key file holds a PKCS#11 URI
  std::uint64_t issued = 0;           // certificates in the registry
  std::uint64_t revoked = 0;
  std::map<std::string, std::uint64_t> issued_by_profile{}, revoked_by_reason{};
  std::string registry_error;         // why the registry tells nothing; empty: it does
};
std::string_view to_string(CaDirectorySeen::Kind kind) noexcept;

// What is done where a request of an issuing CA waits for the root.
inline constexpr std::string_view to_the_root_remedy = "pgcertctl request export; pgcertctl ca session where the root's key is; pgcertctl request import";

// The one certificate in a file (none or several: Errc::invalid); the CRL in a file, nullopt where there is no such file.
Result<x509::Certificate> read_certificate(const std::string& path);
Result<std::optional<x509::Crl>> read_crl(const std::string& path);

// What can be said of a root's key without it: which secret it takes. Reads nothing else, as each use of the key begins with it.
struct RootKeySeen {
  CaDirectorySeen::Kind kind = CaDirectorySeen::Kind::root;   // of the directory; an issuing CA's has no root's key
  bool present = false, encrypted = false, in_token = false;
};
Result<RootKeySeen> look_at_root_key(const std::string& path);

// An issuing CA's directory whose first request the root has not signed yet.
bool waits_for_root(const std::string& path);
// Whether it opens is another question.
bool has_issuing_key(const std::string& path);

// For `ca show`. Errc::not_found when there is no such directory, Errc::invalid when it is no CA directory.
Result<CaDirectorySeen> look_at(const std::string& path);

}  // namespace pgcertd::ca
