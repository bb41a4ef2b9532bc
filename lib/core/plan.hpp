// plan(): the product's decision. Pure: the same observation, wish and moment give the same plan.
// Where a cluster stands is derived here at each tick; no step in progress is ever stored.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/config.hpp"
#include "core/finding.hpp"
#include "core/observation.hpp"
#include "core/tracks.hpp"

namespace pgcertd {

// What the configuration wants of one cluster, with its defaults filled in.
struct Desired {
  ClusterConfig cluster;
  Names names;                       // cluster.names, or fixed at the first issue, or the host's FQDN
  Duration runway_warning{}, runway_critical{};
  Duration check_interval{};
  IssuerType issuer_type = IssuerType::local;
  Duration request_lead{};           // offline: how long before the renewal the request is made
  uid_t own_uid = 0;                 // the daemon's: a SIGHUP is possible when it is the server's
};

namespace action {
struct MakeRequest { KeyType key_type; Names names; };                    // key into pending/, then submit
struct Submit { std::string spki_sha256; std::optional<TimePoint> outlive; };
struct DropPending { std::string spki_sha256; std::string reason; };
struct Stage { std::string spki_sha256; };                                // pending key + issued certificate → generation
struct Adopt {};                                                          // generation 0: a copy of the live set
struct Refuse { std::string generation; std::string fingerprint; std::string reason; };   // preflight said no
struct Publish { std::string generation; };
struct ChangeSettings { SettingsChange change; std::string why; };
struct LinkLive { FileRole role; std::string path; };                     // layout in-place: that path becomes a link through `current`
struct Reload { std::string generation; };                                // empty generation: settings only
struct MarkProved { std::string generation; };
struct RollBack { std::string generation; std::string to; std::string reason; };   // `to` empty: back to the former ssl_* settings
struct PutBack { std::string from; std::string why; };   // that proved pair once more, as a new generation with the newest CRL
struct Refresh { std::string why; };                     // the live pair once more, as a new generation with the issuer's newest anchors and CRLs
struct RepairFile { std::string generation; FileRole role; };
struct Collect { std::vector<std::string> generations; };
struct Restart { std::string fingerprint; std::string method; };          // of the pair that it brings into force
struct NoteRestart { bool applied; };                                     // it is over: served, or no longer wanted
}  // namespace action
using Action = std::variant<action::MakeRequest, action::Submit, action::DropPending, action::Stage, action::Adopt, action::Refuse,
                            action::Publish, action::ChangeSettings, action::LinkLive, action::Reload, action::MarkProved, action::RollBack,
                            action::PutBack, action::Refresh, action::RepairFile, action::Collect, action::Restart, action::NoteRestart>;
std::string_view name(const Action& action) noexcept;        // "publish"
std::string describe(const Action& action);                  // one line for --dry-run and the events
Track track(const Action& action) noexcept;

struct Plan {
  Need need = Need::none;
  Stage stage = Stage::nothing;
  std::vector<Finding> findings;
  std::optional<Action> action;      // the one step to take now
  std::vector<std::string> reasons;  // why this step, or why none; for --dry-run and the status
  TimePoint wake_at{};               // absolute; when to look again even if nothing happens
  std::optional<TimePoint> renew_at; // of the leaf in use
  bool at_rest = true;               // nothing to do before wake_at but wait
};

Plan plan(const Desired& desired, const Observation& seen, TimePoint now);

// Why a new leaf is wanted in place of the current generation; and when its renewal is planned.
struct NeedOf {
  Need need = Need::none;
  std::string why;
  std::optional<TimePoint> renew_at;
};
NeedOf need_of(const Desired& desired, const Observation& seen, TimePoint now);

// Everything that is wrong, whether or not an action follows from it.
std::vector<Finding> judge(const Desired& desired, const Observation& seen, const NeedOf& need, TimePoint now);
// The issuer's own: expiring CAs and CRLs, a key that cannot be used.
std::vector<Finding> judge_issuer(const IssuerConfig& config, const IssuerSeen& seen, Duration longest_leaf, TimePoint now);

// What an operator's consent to a takeover is bound to: the fingerprint of the leaf in place, or the path of one that cannot be read.
std::string pair_in_place(const LiveSet& live);
// An operator consented to replace what is in place now.
bool consented(const Observation& seen);
// There is something of somebody else to consent to, whether or not it was done.
bool may_be_taken_over(const Desired& desired, const Observation& seen);

// May what somebody put into the current generation be replaced: by policy, or by an operator's consent.
bool may_replace(const Desired& desired, const Observation& seen);
// True when somebody replaced the files of the current, proved generation by a pair that works, and nobody consented to replace it.
bool holds_foreign_pair(const Desired& desired, const Observation& seen, TimePoint now);

// Time for a human to look: the last tenth of a life, at most 14 days.
bool expires_soon(Duration left, Duration life);

// True when somebody else's working certificate is in place and nobody consented to replace it.
bool needs_takeover(const Desired& desired, const Observation& seen);

// The settings that pgcertd changed last are in force, and nobody took them back for as long as a try waits for the next: what comes
// later is another matter, and not held back for their sake.
bool settings_stand(const Desired& desired, const Observation& seen, TimePoint now);

// The generation that a rollback leads to: the newest proved one that is whole, not the current one, and not over. `another`: of
// another pair than the current one, as an operator wants it.
const GenerationSeen* pair_to_put_back(const Observation& seen, TimePoint now, bool another);

// What the handshakes say of a leaf: one endpoint that shows it proves it; unreachable ones say nothing.
enum class Proof : std::uint8_t { shown, contradicted, unknown };
Proof proof_of(const std::vector<ProbeSeen>& probes, const std::string& fingerprint_sha256);

// When a leaf is renewed: the fraction of its life counted from its issue, never past its chain's end, and earlier by a
// jitter of at most 1/20 of its life that is a hash of cluster and fingerprint.
TimePoint renewal_time(const CertFacts& leaf, const Desired& desired, TimePoint chain_not_after);
// A published leaf that no handshake shows so long after the first reload is rolled back; until then it is awaited.
constexpr Duration roll_back_after = std::chrono::seconds{10};
// Delay before the next try after `failures` in a row: check_interval doubled each time, 1 h at most.
Duration backoff(std::uint32_t failures, Duration check_interval);

}  // namespace pgcertd
