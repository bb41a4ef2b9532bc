// ListenerKeeper: one tick of the HTTP listener's own certificate: look, renew where one is wanted, serve what is on disk, and
// believe it when a handshake shows it. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/listener.hpp"
#include "core/snapshot.hpp"
#include "engine/ports.hpp"

namespace pgcertd::engine {

struct ListenerPorts {
  ports::Keys& keys;
  ports::PendingKeys& pending;
  ports::OwnPair& pair;
  // Handshakes that begin from now on show it.
  std::function<Result<void>(const std::string& chain_pem, const Secret& key_pem)> serve;
  // What a handshake with each endpoint shows now: the leaf in DER.
  std::function<std::map<std::string, Result<std::string>>()> shown;
  ClockDoubtOf clock_doubt;
};

class ListenerKeeper {
 public:
  ListenerKeeper(Desired desired, bool client_certificates, ListenerPorts ports) : desired_(std::move(desired)), client_certificates_(client_certificates), ports_(std::move(ports)) {}

  // Serves what is on disk, or, until there is an issued one, a certificate that it makes itself: the listener answers over TLS
  // from the first moment, and never in the clear.
  Result<void> begin(TimePoint now);

  struct Tick {
    ListenerView view;
    std::vector<Event> events;
    bool failed = false;              // a step of it
  };
  Tick tick(ports::Issuer& issuer, TimePoint now);

 private:
  struct Look;
  Look look(ports::Issuer& issuer, TimePoint now);
  void renew(Look& at, ports::Issuer& issuer, TimePoint now);
  [[nodiscard]] bool pauses(const Look& at, TimePoint now);
  Result<PendingSeen> waiting_key(TimePoint now);
  Result<void> take(Look& at, const PendingSeen& waiting, const Issued& issued, TimePoint now);
  Result<void> serve_what_is_there(const Look& at);
  void prove(Look& at, TimePoint now);
  ListenerView view_of(const Look& at, const NeedOf& need, TimePoint now);

  const Desired desired_;
  const bool client_certificates_;
  const ListenerPorts ports_;
  std::string served_;                // fingerprint of the pair that was handed to serve()
  std::string proved_;                // the last one that a handshake has shown
  // After a refusal. One that is not final ends it early when the issuer can sign that could not.
  struct Pause {
    TimePoint until;
    bool final = false, could_sign = false;
  };
  std::optional<Pause> pause_;
  std::optional<Error> refusal_;      // why the last one was refused; stands until one is taken
  std::vector<ProblemSince> problems_;
};

}  // namespace pgcertd::engine
