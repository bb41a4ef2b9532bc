// Observation: everything that plan() may know of one cluster at one moment, gathered by engine/observer. A value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/crl_set.hpp"
#include "core/clock_guard.hpp"
#include "core/generation.hpp"
#include "core/issuing.hpp"
#include "core/memory.hpp"
#include "core/restart.hpp"
#include "core/server.hpp"
#include "core/server_detail.hpp"
#include "core/trust.hpp"

namespace pgcertd {

// What OpenSSL says of a chain and key, judged as PostgreSQL would load it and as a verify-full client would see it.
struct LeafJudgement {
  bool loads = false;                 // as be_tls_init would load the pair
  std::string load_error;
  bool key_read = false;              // it could be read and needs no passphrase
  bool key_matches = false;
  bool chain_ok = false;              // to the issuer's roots, purpose serverAuth, at `now`
  std::string chain_error;
  bool chain_incomplete = false;      // an intermediate is missing from server.crt
  bool weak = false;                  // below OpenSSL's security level 2, or no signature SCRAM can bind to
  std::string weak_why;
  bool revoked = false;               // its serial stands in the issuer's CRL
  std::vector<std::string> missing_names;   // of the desired names, those a verify-full client would not find
  TimePoint chain_not_after = no_expiry;    // earliest end on the path
  bool operator==(const LeafJudgement&) const = default;
};

// The pair that the server's settings name now, whoever put it there.
struct LiveSet {
  std::string cert_path, key_path;    // resolved; empty when the server is unknown
  bool ours = false;                  // both paths lead through our `current`
  bool linked = false;                // by links in place of the server's own paths (layout in-place), not by its settings
  bool snakeoil = false;              // Debian's ssl-cert-snakeoil
  bool readable = false;
  std::string why;                    // where it is not
  std::vector<CertFacts> chain;
  LeafJudgement judgement;
};

// One of the two paths that the server's settings name, where it is to be a link through `current` (layout in-place).
struct InPlacePath {
  enum class State : std::uint8_t { missing, linked, file };   // file: or a link of somebody else
  std::string path;
  State state = State::missing;
  TimePoint modified{};
  [[nodiscard]] bool linked() const { return state == State::linked; }
  bool operator==(const InPlacePath&) const = default;
};

struct InPlaceSeen {
  InPlacePath certificate, key;
  std::string refused;                // why no link may stand there: then the cluster is `managed`
  [[nodiscard]] bool linked() const { return certificate.linked() && key.linked(); }
  [[nodiscard]] bool half_linked() const { return certificate.linked() != key.linked(); }
  bool operator==(const InPlaceSeen&) const = default;
};

struct CandidateJudgement {
  std::string generation;
  LeafJudgement judgement;
  std::string preflight_error;        // empty: may be published
  bool operator==(const CandidateJudgement&) const = default;
};

// A file of somebody else that a setting names.
struct LiveFileSeen {
  FileRole role = FileRole::certificate;
  FileSeen file;                      // a link counts as its target
  std::vector<FileSeen> parents;
  std::string trouble;                // why it could not be looked at; then `file` says nothing
  bool operator==(const LiveFileSeen&) const = default;
};

// What stands in the files that the settings name, beyond the pair itself.
struct TlsFilesSeen {
  std::vector<std::string> weak_ciphers;   // that ssl_ciphers lets in: without authentication, below 112 bits, or of MD5, RC4, DES
  std::optional<int> dh_bits;              // of ssl_dh_params_file
  bool key_in_certificate_file = false;
  bool key_encrypted = false;
  bool completed_by_ca_file = false;       // an intermediate is missing from ssl_cert_file and stands in ssl_ca_file
  bool operator==(const TlsFilesSeen&) const = default;
};

struct Observation {
  std::optional<ClockDoubt> clock_doubt;   // set: what `now` says may be wrong
  bool blind = false;                 // generations or pending keys could not be read: what seems absent may be there
  std::string held_by;                // the other cluster of the configuration that has this server: it is left alone
  PostgresSeen server;                // as seen now, or remembered (server.reachable() tells)
  std::optional<ServerDetail> detail;   // of the last full pass; absent while the server cannot be asked
  std::vector<CertSession> revoked_sessions;      // of detail's, those whose certificate stands in a CRL
  LiveSet live;
  std::optional<InPlaceSeen> in_place;            // where links are wanted, or were made
  TlsFilesSeen tls_files;
  std::optional<CrlSet> crl_set;                  // where ssl_crl_file is set
  std::vector<LiveFileSeen> live_files;           // that the settings name and pgcertd did not install
  GenerationsSeen generations;
  std::optional<LeafJudgement> current;           // of generations.live()
  std::vector<CandidateJudgement> candidates;     // of complete, unrefused, unproved generations that are not current
  std::vector<PendingSeen> pending;               // this cluster's
  std::vector<std::pair<std::string, IssuerAnswer>> answers;   // by SPKI of a pending key
  IssuerSeen issuer;
  TrustSet trust_set;
  CanaryVerdict canary = CanaryVerdict::unknown;   // asked only while it is open whether the current generation's CRL is loaded
  std::string canary_text;                         // how the server refused the good one
  std::vector<ProbeSeen> probes;                  // newest of each endpoint; empty when nothing can be probed
  std::optional<RestartOutlook> restart;          // where restart_cures(), and the policy is not `never`
  std::vector<Interval> restart_windows;          // of the next days
  ClusterMemory memory;
  std::vector<Finding> faults;                    // of observing itself: unreadable state, unreadable files
};

}  // namespace pgcertd
