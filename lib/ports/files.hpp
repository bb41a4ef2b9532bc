// Ports to files: generations of one cluster, keys that wait, and the pair that the server's settings name.
// Every change is durable (fsync of file and directory) when the call returns.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/generation.hpp"
#include "core/observation.hpp"
#include "core/permissions.hpp"

namespace pgcertd::ports {

// STATE/clusters/NAME. Used by that cluster's worker alone.
class Generations {
 public:
  virtual ~Generations() = default;
  virtual Result<GenerationsSeen> observe() = 0;
  // Writes a complete new generation with the owner that `server` needs; returns its id. It is not live.
  virtual Result<std::string> stage(const GenerationContent& content, std::uint64_t number, const ServerIdentity& server,
                                    TimePoint now) = 0;
  // Makes the ready symlink back to `id`, so that publish_way_back() needs no space on a full disk.
  virtual Result<void> prepare_way_back(const std::string& id) = 0;
  // Swaps `current` by one rename.
  virtual Result<void> publish(const std::string& id) = 0;
  // Renames the ready symlink over `current`. Not found when none is ready.
  virtual Result<void> publish_way_back() = 0;
  // Reads everything back, the key included.
  virtual Result<GenerationContent> load(const std::string& id) = 0;
  // Wipes the key, then removes the directory. Never the current one.
  virtual Result<void> remove(const std::string& id) = 0;
  // Owner and mode as they were installed, by descriptor.
  virtual Result<void> repair(const std::string& id, FileRole role, const ServerIdentity& server) = 0;
};

// STATE/pending.
class PendingKeys {
 public:
  virtual ~PendingKeys() = default;
  virtual Result<std::vector<PendingSeen>> list(const std::string& cluster) = 0;
  virtual Result<void> put(const PendingSeen& request, const Secret& key_pem) = 0;
  virtual Result<Secret> key(const std::string& spki_sha256) = 0;
  virtual Result<void> remove(const std::string& spki_sha256) = 0;   // wipes the key
};

// The pair of the HTTP listener, one file of its own.
class OwnPair {
 public:
  struct Pair {
    std::string chain_pem;           // leaf first
    Secret key_pem;
  };
  virtual ~OwnPair() = default;
  [[nodiscard]] virtual std::string path() const = 0;
  virtual Result<std::optional<Pair>> read() = 0;
  // The old pair or the new one stands there at each moment; the old key is wiped.
  virtual Result<void> write(const std::string& chain_pem, const Secret& key_pem) = 0;
};

// The files that a server's settings name. A path that PostgreSQL reports is data, never authority: nothing under STATE
// or a CA directory is read through one (but through our own `current`), and nothing is ever written.
class LiveFiles {
 public:
  struct Read {
    std::string chain_pem;
    bool through_current = false;    // both paths lead through this cluster's `current`
    bool snakeoil = false;
    bool key_in_certificate_file = false;
    bool key_encrypted = false;      // of a key that we may read
  };
  virtual ~LiveFiles() = default;
  virtual Result<Read> read_certificate(const std::string& cert_path, const std::string& key_path) = 0;
  // Owner and mode of a file and of the directories on the way. A file that is not there is data; refused is what may not be
  // looked at (under STATE, a link of somebody else).
  virtual Result<PathSeen> look(const std::string& path) = 0;
  // A foreign CA or CRL file that a reload would read too: its bytes, for parsing only. Under the same rules for paths, and
  // only when `server` could read it.
  virtual Result<std::string> read_public(const std::string& path, const ServerIdentity& server) = 0;
  // Names in a directory that a setting names, in order, 1000 at most; under the same rules. What stands in it is read by read_public().
  virtual Result<std::vector<std::string>> list(const std::string& path, const ServerIdentity& server) = 0;
  // The live pair, as PEM. Whether key and certificate belong together is for the caller to judge.
  virtual Result<GenerationContent> read_pair(const std::string& cert_path, const std::string& key_path) = 0;
};

// The paths that a server's settings name, made links through `current`: layout in-place.
class InPlace {
 public:
  virtual ~InPlace() = default;
  // Only looks. Where a path may not become a link, that is data.
  virtual Result<InPlaceSeen> observe(const std::string& cert_path, const std::string& key_path, const PostgresSeen& server) = 0;
  // Puts the link there by one rename; what stood there is kept beside it. Refused unless that was a certificate or key.
  virtual Result<void> link(const std::string& path, FileRole role, const PostgresSeen& server) = 0;
};

}  // namespace pgcertd::ports
