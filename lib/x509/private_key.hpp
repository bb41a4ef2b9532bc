// PrivateKey: a key pair in memory; move only, never printed. Made or read here, written as PKCS#8.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/cert.hpp"

namespace pgcertd::x509 {

class PrivateKey {
 public:
  // `cancelled` is asked while an RSA key is searched for; true ends with Errc::cancelled.
  static Result<PrivateKey> generate(KeyType type, const std::function<bool()>& cancelled = {});
  // PEM (PKCS#8, encrypted PKCS#8, PKCS#1, SEC1) or DER. An encrypted key without a passphrase is Errc::refused with a
  // remedy; a wrong passphrase is Errc::crypto. Never prompts.
  static Result<PrivateKey> parse(std::string_view bytes, std::string_view name, const Secret* passphrase = nullptr);

  [[nodiscard]] KeyType type() const;
  [[nodiscard]] const std::string& key_name() const;         // as CertFacts::key_name
  [[nodiscard]] const std::string& spki_sha256() const;
  [[nodiscard]] bool in_token() const;                       // it signs where it is, and cannot be written
  // A signature that its public half verifies: the token is there and lets it be used. Nothing is done for a key in memory.
  [[nodiscard]] Result<void> prove() const;
  // Both end the program for a key in a token: OpenSSL would write a file that looks like a key and is none.
  [[nodiscard]] Secret to_pem() const;                       // unencrypted PKCS#8
  [[nodiscard]] Secret to_der() const;                       // the same in DER, as pgjdbc takes it
  // PBES2, AES-256-CBC, PBKDF2-HMAC-SHA256 with 600,000 iterations (facts: 2,048 is the library's default).
  [[nodiscard]] Result<Secret> to_encrypted_pem(const Secret& passphrase) const;

  struct Handle;
  explicit PrivateKey(std::unique_ptr<Handle> handle);
  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();
  [[nodiscard]] const Handle& handle() const { return *handle_; }

 private:
  std::unique_ptr<Handle> handle_;
};

// The public half's, of a key that is not encrypted and otherwise good. Remembered for the last few by the digest of their bytes, from
// which no key can be had: the same file is read several times over while it is new.
Result<std::string> known_spki_sha256(std::string_view bytes, std::string_view name);

// True when the bytes hold an encrypted private key: ENCRYPTED PRIVATE KEY, or Proc-Type: 4,ENCRYPTED.
bool is_encrypted_key(std::string_view bytes);

}  // namespace pgcertd::x509
