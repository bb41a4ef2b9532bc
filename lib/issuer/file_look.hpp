// FileLook: an issuer as its files show it: what clients must trust, the CRLs. Opens no key and signs, makes and locks nothing, so that
// it may look beside a running daemon. Any thread.
#pragma once

#include <string>

#include "core/config.hpp"
#include "ports/issuer.hpp"

namespace pgcertd::issuer {

// What clients need to trust is public, and known even where the key cannot be used.
void describe_files(const std::string& directory, IssuerSeen& seen);

class FileLook final : public ports::Issuer {
 public:
  explicit FileLook(IssuerConfig config) : config_(std::move(config)) {}

  IssuerSeen observe(TimePoint now) override;
  IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) override;
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override;

 private:
  const IssuerConfig config_;
};

}  // namespace pgcertd::issuer
