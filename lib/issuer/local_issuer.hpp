// LocalIssuer: the issuing CA of a directory on this host, as clusters see it. Opened when first needed, and again after a
// failure or when its files were replaced, so that it heals by itself. Thread-safe: one lock around the CA.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ca/issuing_ca.hpp"
#include "core/config.hpp"
#include "ports/issuer.hpp"

namespace pgcertd::issuer {

// Reads a passphrase from where the configuration says.
using SecretResolver = std::function<Result<Secret>(const SecretSource&)>;

// CRLs as PEM, made once for each and not at each look.
class CrlTexts {
 public:
  SharedText of(const std::vector<x509::Crl>& crls);

 private:
  std::deque<std::pair<std::string, SharedText>> kept_;   // by fingerprints, newest first
};

class LocalIssuer final : public ports::Issuer {
 public:
  LocalIssuer(IssuerConfig config, SecretResolver resolve);
  // Also keeps the CRL fresh: it is signed again when it is a day old.
  IssuerSeen observe(TimePoint now) override;
  IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) override;
  IssuerAnswer submit(const LeafRequest& request, TimePoint now) override;
  void want_canaries() override;
  Result<std::vector<RequestFile>> requests(TimePoint now) override;
  Result<std::string> import_answer(const std::string& bytes, TimePoint now) override;
  Result<void> renew_crl(TimePoint now) override;
  Result<std::string> import_crls(const std::string& bytes, TimePoint now) override;
  Result<void> check_retired(const std::vector<std::string>& serials, TimePoint now) override;
  Result<void> revoke(const std::string& serial, const std::string& reason, TimePoint now) override;

 private:
  Result<ca::IssuingCa*> opened();
  void check_token(TimePoint now);
  void describe(ca::IssuingCa& ca, IssuerSeen& seen, TimePoint now);

  const IssuerConfig config_;
  const SecretResolver resolve_;
  std::mutex mutex_;
  std::optional<ca::IssuingCa> ca_;
  TimePoint token_checked_{};
  CrlTexts texts_;
  bool canaries_wanted_ = false;
};

}  // namespace pgcertd::issuer
