// Port to an issuer, as a cluster's worker sees it. Thread-safe: several clusters share one.
#pragma once

#include <string>
#include <vector>

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
  // From now on each CRL revokes a canary, and IssuerSeen has the keys to show it.
  virtual void want_canaries() {}
  // An error unless each of these revoked serials may leave the CRL, as its certificate is over.
  virtual Result<void> check_retired(const std::vector<std::string>& serials, TimePoint now) {
    (void)now;
    return fail(Errc::refused, "the issuer's CRL lacks " + std::to_string(serials.size()) + " entries of the one that is installed");
  }
  // A new CRL now. Errc::refused: an issuer without CRLs.
  virtual Result<void> renew_crl(TimePoint now) {
    (void)now;
    return fail(Errc::refused, "this issuer publishes no CRL", "give the cluster an issuer of type \"local\"");
  }
  // What is to be carried to the root: the requests of its clusters, or the one for its own certificate. Errc::refused: it has
  // no CA that a root signs.
  virtual Result<std::vector<RequestFile>> requests(TimePoint now) {
    (void)now;
    return fail(Errc::refused, "this issuer has no CA that a root signs", "give the cluster an issuer of type \"local\" or \"offline\"");
  }
  // What came back from the root: certificates that answer requests(), and CRLs; PEM or PKCS#7. Says what was done.
  virtual Result<std::string> import_answer(const std::string& bytes, TimePoint now) {
    (void)bytes, (void)now;
    return fail(Errc::refused, "this issuer has no CA that a root signs", "give the cluster an issuer of type \"local\" or \"offline\"");
  }
  // CRLs of its root, or of itself after a loss of its registry; PEM or DER. Says what was done.
  virtual Result<std::string> import_crls(const std::string& bytes, TimePoint now) {
    (void)bytes, (void)now;
    return fail(Errc::refused, "this issuer publishes no CRL", "give the cluster an issuer of type \"local\"");
  }
  // Durable, and in a published CRL, when it returns. `reason` as RFC 5280 5.3.1 names it. Errc::not_found: it never issued
  // that serial; Errc::refused: an issuer without CRLs.
  virtual Result<void> revoke(const std::string& serial, const std::string& reason, TimePoint now) {
    (void)reason, (void)now;
    return fail(Errc::refused, "serial " + serial + " cannot be revoked: its issuer publishes no CRL", "give the cluster an issuer of type \"local\"");
  }
};

}  // namespace pgcertd::ports
