// Ports to one PostgreSQL server: SQL session, reload, and the handshake probe. Each call ends by its own deadline.
#pragma once

#include <optional>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/issuing.hpp"
#include "core/restart.hpp"
#include "core/server.hpp"
#include "core/server_detail.hpp"

namespace pgcertd::ports {

class Postgres {
 public:
  virtual ~Postgres() = default;
  // Never fails: that a server is down is data. `remembered` fills what a server that is down cannot tell; where nothing
  // is remembered and a data directory is configured, settings are read by `postgres -C`.
  virtual PostgresSeen observe(const PostgresSeen* remembered) = 0;
  // What a full pass asks beside that. `rotated_at`: sessions that are older are counted. An error is not data here: the
  // server went away since observe(), or has no such view.
  virtual Result<ServerDetail> detail(std::optional<TimePoint> rotated_at) = 0;
  // By conf.d file where one may be written, else ALTER SYSTEM. Takes effect with the next reload.
  virtual Result<void> change_settings(const SettingsChange& change) = 0;
  // By the configured way. Success proves nothing.
  virtual Result<void> reload() = 0;
  // How it could be restarted and what is against it. Where the daemon is the server's own user, ssl_passphrase_command is
  // run to open `key_path`. Never fails: what is not known stands in it.
  virtual RestartOutlook restart_outlook(const std::string& key_path) = 0;
  // By the configured way, after a CHECKPOINT where the role may; returns when that has ended. Success proves nothing.
  virtual Result<void> restart() = 0;
  // Ends these client sessions, each only if it is the one that was seen; how many were. Needs pg_signal_backend.
  virtual Result<std::uint64_t> terminate(const std::vector<CertSession>& sessions) = 0;
  // Closes the session, so that a server that stops with -m smart is not held up.
  virtual void rest() = 0;
};

// How a server took a client's certificate, before it knew any role or database.
struct Presented {
  enum class End : std::uint8_t { unknown, accepted, refused };
  End end = End::unknown;
  std::string text;                  // of a refusal: the alert
};

class Probe {
 public:
  virtual ~Probe() = default;
  // A handshake with this client certificate. A server that refuses it writes a line into its log.
  virtual Presented present(const std::string& endpoint, const Canary& canary) {
    (void)endpoint, (void)canary;
    return {};
  }
  // Never fails: the outcome is data. endpoint: "host:port" or "[v6]:port".
  virtual ProbeSeen probe(const std::string& endpoint, TimePoint now) = 0;
  // Nothing is asked for a while: no connection stays.
  virtual void rest() {}
};

}  // namespace pgcertd::ports
