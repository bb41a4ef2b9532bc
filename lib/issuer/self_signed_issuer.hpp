// SelfSignedIssuer: each leaf signs itself with its own key, and is its own trust anchor. Its serial is in a registry
// before it leaves. Thread-safe: one lock around the registry.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "base/secret.hpp"
#include "ports/issuer.hpp"
#include "store/registry.hpp"

namespace pgcertd::issuer {

// The private key (PEM) that waits for its certificate.
using KeyOf = std::function<Result<Secret>(const std::string& spki_sha256)>;

class SelfSignedIssuer final : public ports::Issuer {
 public:
  SelfSignedIssuer(std::string name, std::string registry_path, KeyOf key_of);
  IssuerSeen observe(TimePoint now) override;
  IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) override;
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override;

 private:
  Result<store::Registry*> registry();
  Result<Issued> issue(const LeafRequest& request, TimePoint now);

  const std::string name_, registry_path_;
  const KeyOf key_of_;
  std::mutex mutex_;
  std::optional<store::Registry> registry_;
};

}  // namespace pgcertd::issuer
