// Port to an issuer, as a cluster's worker sees it. Thread-safe: several clusters share one.
#pragma once

#include "core/issuing.hpp"

namespace pgcertd::ports {

class Issuer {
 public:
  virtual ~Issuer() = default;
  virtual IssuerSeen observe(TimePoint now) = 0;
  // What is known of a request, without asking for anything.
  virtual IssuerAnswer lookup(const std::string& spki_sha256, TimePoint now) = 0;
  virtual IssuerAnswer submit(const LeafRequest& request, TimePoint now) = 0;
};

}  // namespace pgcertd::ports
