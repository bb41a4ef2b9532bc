// An issuing CA whose key was born on its host and that the root, which is elsewhere, has not signed yet: its directory (made by
// begin_issuing_ca) holds key, registry, root.crt and issuing.csr, and becomes an issuing CA's with what comes back. Any thread.
#pragma once

#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd::ca {

struct WaitingCa {
  std::string request_pem;             // a PKCS#10 request, behind a head for people
  std::string subject;
  std::string spki_sha256;
  CertFacts root;                      // the one that may sign it
  TimePoint since{};                   // when it was made, as its file says
};

// nullopt: this directory's CA does not wait for its first certificate. Needs no passphrase.
Result<std::optional<WaitingCa>> look_for_waiting(const std::string& directory);
// Takes its first certificate, and the root's CRL where that came along. Nothing is changed unless all of it is good. Says what was
// done. Errc::refused: for another key or name, or under another root.
Result<std::string> complete(const std::string& directory, const std::string& bytes, TimePoint now);

}  // namespace pgcertd::ca
