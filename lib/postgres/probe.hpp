// HandshakeProbe: what a TLS handshake with a server really shows. Verifies nothing (that is done afterwards, with the chain
// in hand), takes any key, digest and TLS version, and leaves no line in the server's log. Stateless between calls; several
// threads may share one.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "ports/postgres.hpp"
#include "postgres/cancel.hpp"

namespace pgcertd::postgres {

struct ProbeOptions {
  Duration timeout = std::chrono::seconds{5};   // of one probe, name resolution and good-bye included
};

class HandshakeProbe final : public ports::Probe {
 public:
  HandshakeProbe(ProbeOptions options, std::shared_ptr<const Cancel> cancel);
  ProbeSeen probe(const std::string& endpoint, TimePoint now) override;
  ports::Presented present(const std::string& endpoint, const Canary& canary) override;

 private:
  ProbeOptions options_;
  std::shared_ptr<const Cancel> cancel_;
};

}  // namespace pgcertd::postgres
