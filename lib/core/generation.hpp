// A generation: one complete set certificate + key + chain + CRL on disk, never written again once published.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"
#include "core/permissions.hpp"

namespace pgcertd {

// Why a generation was made; stands in its manifest.
// `refreshed`: the live pair carried on beside newer anchors and CRLs.
enum class Origin : std::uint8_t { issued, adopted, rolled_back, refreshed };
std::string_view to_string(Origin origin) noexcept;
std::optional<Origin> parse_origin(std::string_view text) noexcept;

// What is written into a new generation. PEM throughout.
struct GenerationContent {
  std::string chain_pem;          // server.crt: leaf first, then intermediates
  Secret key_pem;                 // server.key, unencrypted PKCS#8
  std::string root_pem;           // root.crt: trust anchors for clients; may be empty (adopted)
  std::string crl_pem;            // root.crl; may be empty
  Origin origin = Origin::issued;
};

// A generation as found on disk.
struct GenerationSeen {
  std::string id;                 // its directory's name: compact UTC time, '-', random hex
  std::uint64_t number = 0;       // counts up for a cluster, from the manifest
  TimePoint created{};
  Origin origin = Origin::issued;
  bool complete = false;          // manifest there, each file there and as the manifest's digests say
  std::string incomplete_why;
  bool changed = false;           // a file is there and holds something else than was written: somebody replaced it
  std::vector<CertFacts> chain;   // leaf first; empty when unreadable
  std::vector<CertFacts> roots;   // of root.crt
  std::vector<CrlFacts> crls;     // of root.crl, in the file's order
  std::string key_spki_sha256;    // of server.key; empty when it is missing or unreadable
  bool key_denied = false;        // server.key is there but we may not read it (EACCES): neither good nor bad is known
  std::vector<FileSeen> files;    // server.crt, server.key, root.crt, root.crl: those the manifest names
  bool operator==(const GenerationSeen&) const = default;
};

struct GenerationsSeen {
  std::string directory;          // STATE/clusters/NAME
  std::string current;            // id that `current` points to, or empty
  std::string way_back;           // id that the ready symlink `way-back` points to, or empty
  std::vector<GenerationSeen> all;  // oldest first
  std::vector<FileSeen> parents;    // every directory from / down to generations/, for the server's right to search them

  [[nodiscard]] const GenerationSeen* find(const std::string& id) const;
  [[nodiscard]] const GenerationSeen* live() const { return find(current); }
  bool operator==(const GenerationsSeen&) const = default;
};

// A key that waits for its certificate, in STATE/pending/SPKI.
struct PendingSeen {
  std::string cluster;
  std::string spki_sha256;
  std::string request_pem;        // PKCS#10
  TimePoint created{};
  KeyType key_type = KeyType::other;
  Names names;
  bool operator==(const PendingSeen&) const = default;
};

}  // namespace pgcertd
