// ClusterMemory: what is kept of a cluster because the world cannot tell (DESIGN: "Kept"). A value; lib/store keeps it.
// Never a step in progress: every field is a fact with its time.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/cert.hpp"
#include "core/finding.hpp"
#include "core/server.hpp"

namespace pgcertd {

struct Proved {
  std::string generation;
  std::string fingerprint_sha256;     // of its leaf
  TimePoint at{};
  bool operator==(const Proved&) const = default;
};

// The publishing of the generation that is current but not yet proved.
struct PublishAttempt {
  std::string generation;
  std::string previous;               // current before it, or empty
  TimePoint at{};
  std::uint32_t reloads = 0;          // asked for since
  std::optional<TimePoint> first_reload_at;
  std::optional<TimePoint> last_reload_at;
  bool operator==(const PublishAttempt&) const = default;
};

// A leaf that must not be tried again: by its fingerprint, or by its SPKI where the issuer said no.
struct RefusedLeaf {
  std::string key;                    // fingerprint or SPKI
  std::string reason;
  TimePoint at{};
  bool operator==(const RefusedLeaf&) const = default;
};

struct Failure {
  std::string stage;                  // keygen request sign stage install reload verify
  std::string message;
  std::string remedy;
  bool rolled_back = false;
  TimePoint at{};
  bool operator==(const Failure&) const = default;
};

struct Pause {
  TimePoint until{};
  std::string reason;
  bool operator==(const Pause&) const = default;
};

// A restart that was asked for and whose end is not known yet.
struct RestartAttempt {
  std::string fingerprint_sha256;     // of the certificate that it is to bring into force
  TimePoint postmaster_start{};       // of the postmaster that was to end
  TimePoint at{};
  std::uint32_t tries = 0;
  std::string method{};               // "systemd", "pg_ctl"
  bool operator==(const RestartAttempt&) const = default;
};

// Why the issuer's newer CRLs could not be installed.
struct TrustTrouble {
  std::string message, remedy;
  TimePoint at{};
  std::uint32_t tries = 0;
  bool operator==(const TrustTrouble&) const = default;
};

// An operator's word that the pair of somebody else may be replaced that was in place then, and no other.
struct TakeoverGrant {
  std::string to;                     // pair_in_place()
  TimePoint at{};
  bool operator==(const TakeoverGrant&) const = default;
};

struct Repair {
  std::string file;                   // "server.key"
  std::string found;                  // what somebody had made of it: "0644 26:26"
  TimePoint at{};
  bool operator==(const Repair&) const = default;
};

// A key that others could read.
struct ExposedKey {
  std::string spki_sha256;
  std::string found;                  // its file's: "0644 26:26"
  TimePoint at{};                     // when that was seen
  bool operator==(const ExposedKey&) const = default;
};

// When a stage of the newest rotation was passed.
struct StagePassed {
  std::string stage;                  // keygen sign stage install reload verify; "rolled-back" and "failed" end it too
  TimePoint at{};
  bool operator==(const StagePassed&) const = default;
};

struct ProblemSince {
  ProblemCode code = ProblemCode::issuer_failed;
  std::string object;
  TimePoint since{};
  bool operator==(const ProblemSince&) const = default;
};

// Upper bounds of the buckets in which the durations of proved rotations are counted.
inline constexpr std::array rotation_bounds{Duration{1'000}, Duration{5'000}, Duration{30'000}, Duration{300'000}};

struct ClusterMemory {
  std::uint64_t generation_number = 0;             // of the last one made
  std::vector<Proved> proved;                      // newest last, the last few
  std::optional<PublishAttempt> publish;
  std::vector<RefusedLeaf> refused;                // newest last, the last few
  std::optional<Failure> last_failure;             // cleared by the next proof of a new leaf; on the way to any other, by the proof of that
  std::uint32_t consecutive_failures = 0;
  std::optional<TimePoint> retry_at;               // back-off after a failure
  std::optional<TimePoint> rotate_asked_at;        // an operator's `rotate --force`; cleared by the next proof of a new leaf
  std::optional<TimePoint> rollback_asked_at;      // an operator's `rollback`; cleared when its generation is proved or refused
  std::optional<TakeoverGrant> takeover;           // cleared by the first proof of a leaf of ours, and when another pair is in place
  std::optional<TimePoint> settings_changed_at;    // last ChangeSettings whose values are not in force yet
  std::uint32_t settings_tries = 0;                // of it, in a row
  std::optional<Pause> pause;
  std::optional<PostgresSeen> server;              // as last seen up
  std::optional<std::map<std::string, std::optional<std::string>>> original_auto_conf;  // ssl* before we changed them; nullopt: absent
  bool original_ssl_on = false;
  std::map<std::string, std::string> original_files;   // ssl_cert_file and ssl_key_file, resolved, before we changed them
  std::optional<TimePoint> linked_at;              // the first link of layout in-place
  Names names_at_first_issue;                      // default names, fixed then
  std::vector<ProblemSince> problems;
  std::uint64_t rotations_proved = 0, rotations_failed = 0, rotations_rolled_back = 0;
  std::map<std::string, std::uint64_t> stage_failures;
  std::optional<RestartAttempt> restart;
  std::map<std::string, std::uint64_t> restarts;   // by "systemd applied", as of reloads
  std::map<std::string, std::uint64_t> reloads;    // by "sql applied": how it was asked for, and what became of it
  std::optional<TimePoint> last_attempt_at, last_success_at;
  std::optional<Duration> last_rotation_took;
  std::vector<StagePassed> stages_passed;          // of the newest rotation, in their order
  std::vector<std::uint64_t> rotations_by_duration;   // rotation_bounds and beyond: how many ended within each, not summed up
  Duration rotations_took{};                       // all of these together
  std::optional<TimePoint> saved_at;               // when this was written last
  std::optional<std::uint64_t> hba_in_force;       // digest of pg_hba's rows when the server had loaded them
  std::string crl_proved;                          // the generation whose CRL a canary has shown to be loaded
  std::optional<TrustTrouble> trust_trouble;       // cleared when a set is installed
  std::vector<Repair> repairs;                     // of the last day
  std::vector<ExposedKey> exposed_keys;            // in use, or in a generation that may be put back
  std::map<std::string, std::uint64_t> repairs_ever, foreign_changes;   // by file_name()
  bool operator==(const ClusterMemory&) const = default;

  void count_rotation(Duration took);
  [[nodiscard]] bool paused(TimePoint now) const { return pause && pause->until > now; }
  [[nodiscard]] bool is_proved(const std::string& generation) const;
  [[nodiscard]] bool is_refused(const std::string& key) const;
};

// One line of the history. Kinds are stable words ("rotation-proved"); fields never hold a secret.
struct Event {
  std::int64_t id = 0;                // given by the store
  TimePoint at{};
  std::string cluster;                // or empty
  std::string kind;
  std::string message;
  std::map<std::string, std::string> fields;
  bool operator==(const Event&) const = default;
};

}  // namespace pgcertd
