// RootCa: a root's directory with its key in memory, on the machine that the key is brought to. Each use is in the registry and in
// the chained log before its result leaves the room. Refuses when the machine's clock stands behind the log. One object a thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "ca/ca_directory.hpp"
#include "ca/chained_log.hpp"
#include "core/signing_policy.hpp"
#include "store/registry.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/request.hpp"

namespace pgcertd::ca {

// What a request is to become, as a person or a script decided; the request itself is asked for its key alone.
struct SigningWish {
  SigningProfile profile = SigningProfile::server;
  std::string common_name;              // of an issuing CA; a client's role
  Names names;                          // of a server
  Duration lifetime{};                  // clamped to the root's
};

struct SigningOrder {
  std::string file;                     // named in errors; may be empty
  std::string request_pem;
  SigningWish wish;
};

class RootCa {
 public:
  // `passphrase` may be null where the key has none.
  static Result<RootCa> open(const std::string& directory, const Secret* passphrase, TimePoint now);

  // Errc::refused: an ed25519 CA, a wrong signature, a weak key, a name that is none.
  Result<x509::Certificate> sign(const std::string& request_pem, const SigningWish& wish, TimePoint now);
  // In their order; nothing is signed unless each of them may be.
  Result<std::vector<x509::Certificate>> sign_all(const std::vector<SigningOrder>& orders, TimePoint now);
  // The next one; number and thisUpdate move on from whatever registry and directory have.
  Result<x509::Crl> renew_crl(Duration lifetime, TimePoint now);

  // Whether it ever signed a certificate for this key.
  Result<bool> has_signed(const std::string& spki_sha256);

  [[nodiscard]] const x509::Certificate& certificate() const { return certificate_; }
  [[nodiscard]] Result<std::optional<x509::Crl>> crl() const { return read_crl(directory_.crl()); }
  [[nodiscard]] const ChainedLog& log() const { return log_; }

 private:
  RootCa(RootDirectory directory, x509::Certificate certificate, x509::PrivateKey key, store::Registry registry, ChainedLog log);

  Result<x509::Certificate> sign_one(const SigningOrder& order, const std::string& serial, TimePoint now) const;

  RootDirectory directory_;
  x509::Certificate certificate_;
  x509::PrivateKey key_;
  store::Registry registry_;
  ChainedLog log_;
};

// Of a root's directory; needs no passphrase.
Result<ChainedLog> open_log(const std::string& directory);
// Writes the root's key anew under another passphrase; null: unencrypted. The old file is replaced by one rename.
Result<void> change_passphrase(const std::string& directory, const Secret* old_passphrase, const Secret* new_passphrase, TimePoint now);

}  // namespace pgcertd::ca
