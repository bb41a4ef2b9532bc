// World: a PostgreSQL server, a disk, a CA and a clock in memory, behind the daemon's ports. What is "on disk" survives a
// crash; the server's loaded TLS context does too, as long as the server is not restarted. The server follows the measured
// rules: a reload that cannot load its files keeps the old context and says nothing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/ports.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::fake {

struct PairOnDisk {
  std::string chain_pem, key_pem;
};

// The CA that signs in the simulation: real certificates, made once for a process.
struct TestCa {
  x509::PrivateKey root_key, issuing_key;
  x509::Certificate root, issuing;
  static TestCa make(TimePoint from, Duration life, const std::string& name = "Simulated");
  [[nodiscard]] x509::Certificate leaf(const std::string& request_pem, const Names& names, TimePoint issue, Duration lifetime) const;
};

struct GenerationOnDisk {
  std::string id;
  std::uint64_t number = 0;
  TimePoint created{};
  Origin origin = Origin::issued;
  std::string chain_pem, key_pem, root_pem, crl_pem;
  mode_t key_mode = 0600;
  uid_t key_uid = 0;
};

struct PendingOnDisk {
  PendingSeen seen;
  std::string key_pem;
};

// All of a world that can be copied, so that a scenario is prepared once and played many times.
struct WorldState {
  // The disk.
  std::map<std::string, GenerationOnDisk> generations;
  std::string current, way_back;
  std::map<std::string, PendingOnDisk> pending;
  std::set<std::string> links;                               // paths that are links through `current`
  bool links_allowed = true;
  std::set<std::string> encrypted;                           // paths of foreign certificates whose key has a passphrase
  std::map<std::string, PairOnDisk> foreign;                 // by path of the certificate; the key's path is ".key" for ".crt"
  std::map<std::string, Issued> registry;                    // by SPKI
  ClusterMemory memory;
  std::vector<Event> events;
  // Faults.
  std::optional<Error> disk_error;                           // every write fails with it
  bool server_up = true;
  bool issuer_available = true;
  bool refuses_new_leaf = false;                             // the server's reload fails for a reason no preflight sees
  // The server.
  std::map<std::string, std::string> postgresql_conf{{"ssl", "off"}, {"ssl_cert_file", "/data/server.crt"}, {"ssl_key_file", "/data/server.key"}};
  std::map<std::string, std::string> auto_conf;              // postgresql.auto.conf, overrides it
  std::map<std::string, std::string> in_force;               // after the last reload
  std::optional<PairOnDisk> context;                         // what handshakes show; none: 'N'
  ServerDetail detail;
  std::uint64_t reloads = 0, restarts = 0;
  TimePoint started = from_unix(1'700'000'000);
  RestartOutlook outlook{"systemctl restart postgresql", {}, {}, {}, {}, {}, {}};
  TimePoint now;
  uid_t server_uid = 26;

  std::uint64_t next_id = 1;
  std::vector<std::string> served;                           // fingerprints, one after the other

};

struct WorldPorts;

class World : public WorldState {
 public:
  World(const TestCa& ca, TimePoint start);
  ~World();
  engine::ClusterPorts ports();

  static constexpr const char* directory = "/state/clusters/main";
  void reload();                                             // as PostgreSQL does it
  void restart();
  [[nodiscard]] bool can_start() const;                      // would a server start from these files and settings?
  [[nodiscard]] std::string served_fingerprint() const;      // empty: no TLS
  [[nodiscard]] std::string current_fingerprint() const;

 private:
  [[nodiscard]] std::map<std::string, std::string> settings_on_disk() const;
  [[nodiscard]] std::optional<PairOnDisk> files_named_by(const std::map<std::string, std::string>& settings, bool at_start) const;
  std::unique_ptr<WorldPorts> ports_;
};

}  // namespace pgcertd::fake
