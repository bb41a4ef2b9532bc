// ClusterParts: one cluster's real adapters, wired to its reconciler. Used by one thread; cancel() by any.
#pragma once

#include <memory>
#include <string>

#include "base/log.hpp"
#include "core/plan.hpp"
#include "engine/reconciler.hpp"
#include "files/pending_store.hpp"
#include "pgcertd/claims.hpp"
#include "ports/issuer.hpp"

namespace pgcertd::daemon {

// The wish of the configuration, with what the host adds.
Desired desired_of(const Config& config, const ClusterConfig& cluster, const std::string& host_fqdn);

// Keys that may wait for weeks are encrypted where the offline issuer has a passphrase.
files::PendingStore pending_store(const Config& config, const std::string& issuer);

class ClusterParts {
 public:
  // `issuer`, `log` and `claims` outlive it.
  static Result<std::unique_ptr<ClusterParts>> make(const Config& config, Desired desired, ports::Issuer& issuer, LogSink& log, engine::OtherCrlsOf other_crls, Claims& claims);
  ~ClusterParts();
  ClusterParts(const ClusterParts&) = delete;
  ClusterParts& operator=(const ClusterParts&) = delete;

  [[nodiscard]] engine::Reconciler& reconciler();
  [[nodiscard]] const Desired& desired() const;
  void cancel() noexcept;            // whatever waits on the network ends at once

 private:
  struct Impl;
  explicit ClusterParts(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::daemon
