// TrustLook: the anchors and CRLs that the next generation is to hold: the issuer's; those that are installed, as an anchor is never
// taken away while its clients could connect (a new root comes beside the old one); with client_ca = "merge" also those of the
// ssl_ca_file that was there before pgcertd, whose CAs each need a good CRL: from [crl.NAME], another issuer, or the former
// ssl_crl_file. Parsed again only when something has changed. One thread.
#pragma once

#include <optional>
#include <string>

#include "core/observation.hpp"
#include "core/plan.hpp"
#include "engine/ports.hpp"

namespace pgcertd::engine {

class TrustLook {
 public:
  TrustSet look(const ClusterPorts& ports, const Desired& desired, const Observation& seen, TimePoint now);
  // At each full pass: whether a foreign file may be read, and whether a CRL's time has come, does not show in what it looks like.
  void look_again_at_foreign_files() { if (foreign_) known_.reset(); }

 private:
  std::string known_by_;               // what the merged set was made of
  std::optional<TrustSet> known_;
  bool foreign_ = false;               // files of before pgcertd are part of it
};

}  // namespace pgcertd::engine
