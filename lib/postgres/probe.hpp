// HandshakeProbe: what a TLS handshake with a server really shows. Verifies nothing (that is done afterwards, with the chain
// in hand), takes any key, digest and TLS version, and leaves no line in the server's log. Any thread.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ports/postgres.hpp"
#include "postgres/cancel.hpp"
#include "postgres/wire.hpp"

namespace pgcertd::postgres {

struct ProbeOptions {
  Duration timeout = std::chrono::seconds{5};   // of one probe, name resolution and good-bye included
};

class HandshakeProbe final : public ports::Probe {
 public:
  HandshakeProbe(ProbeOptions options, std::shared_ptr<const Cancel> cancel);
  ~HandshakeProbe() override;
  HandshakeProbe(const HandshakeProbe&) = delete;
  HandshakeProbe& operator=(const HandshakeProbe&) = delete;
  ProbeSeen probe(const std::string& endpoint, TimePoint now) override;
  ports::Presented present(const std::string& endpoint, const Canary& canary) override;
  void rest() override;

 private:
  void take_leave(Goodbye goodbye);

  ProbeOptions options_;
  std::shared_ptr<const Cancel> cancel_;
  std::mutex mutex_;
  std::vector<Goodbye> leaving_;        // what the server takes its time to close holds up nobody meanwhile
};

}  // namespace pgcertd::postgres
