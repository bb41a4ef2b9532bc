// Port to an issuer, as a cluster's worker sees it. Thread-safe: several clusters share one.
#pragma once

#include <string>

#include "base/result.hpp"
#include "core/issuing.hpp"

namespace pgcertd::ports {

class Issuer {
 public:
  virtual ~Issuer() = default;
  virtual IssuerSeen observe(TimePoint now) = 0;
  // What is known of a request, without asking for anything.
  virtual IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) = 0;
  virtual IssuerAnswer submit(const LeafRequest& request, TimePoint now) = 0;
  // Durable, and in a published CRL, when it returns. `reason` as RFC 5280 5.3.1 names it. Errc::not_found: it never issued
  // that serial; Errc::refused: an issuer without CRLs.
  virtual Result<void> revoke(const std::string& serial, const std::string& reason, TimePoint now) {
    (void)reason, (void)now;
    return fail(Errc::refused, "serial " + serial + " cannot be revoked: its issuer publishes no CRL", "give the cluster an issuer of type \"local\"");
  }
};

}  // namespace pgcertd::ports
