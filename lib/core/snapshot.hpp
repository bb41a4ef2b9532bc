// Snapshot: the state of everything at one moment, as status, metrics, page and tool show it. Immutable and versioned:
// shared as shared_ptr<const Snapshot>, composed by engine/publisher from the workers' views.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/file_judge.hpp"
#include "core/issuing.hpp"
#include "core/memory.hpp"
#include "core/observation.hpp"
#include "core/plan.hpp"
#include "core/runway.hpp"

namespace pgcertd {

struct StandingProblem {
  Finding finding;
  TimePoint since{};
  bool operator==(const StandingProblem&) const = default;
};

struct ServedView {
  ProbeSeen probe;
  bool matches_file = false;
  std::string verify;                // "ok", or OpenSSL's reason
};

struct CertificateView {
  std::string path;
  CertFacts leaf;
  std::vector<CertFacts> chain;
  TimePoint chain_not_after{};
  std::optional<TimePoint> renew_at;
  LeafJudgement judgement;
};

struct ClusterView {
  std::string name;
  std::string issuer;                // by its name in the configuration
  Severity status = Severity::unknown;
  PostgresSeen server;
  std::optional<CertificateView> certificate;   // what the server's settings name (or the current generation when unknown)
  std::vector<ServedView> served;
  Need need = Need::none;
  Stage stage = Stage::nothing;
  std::string next_step;             // description of the action, or what is waited for
  std::vector<std::string> reasons;
  TimePoint next_at{};
  std::uint64_t generation = 0;      // number of the current one
  std::string generation_id;
  std::vector<FileSeen> files;       // of the current generation
  ServerIdentity identity;
  std::vector<FileJudgement> permissions;
  std::optional<std::vector<SessionGroup>> sessions;   // nullopt: not known
  std::uint64_t client_certificate_sessions = 0, revoked_sessions = 0;   // of them, where `sessions` is known
  // What was seen last of what cannot be seen now, so that nothing that is watched vanishes when it breaks.
  std::optional<CertificateView> last_certificate;
  std::vector<ServedView> last_served;
  std::optional<CrlSet> crl_set;     // of ssl_crl_file
  std::vector<PendingSeen> pending;
  Runway runway;
  ClusterMemory memory;
  std::vector<StandingProblem> problems;
  TimePoint seen_at{};
};

struct IssuerView {
  IssuerSeen seen;
  IssuerType type = IssuerType::local;
  std::optional<TimePoint> renew_at;           // of the issuing CA
  std::uint64_t sign_failures = 0;             // since the daemon's start
  std::vector<StandingProblem> problems;
};

struct ListenerView {                // the HTTP listener's own certificate
  std::string issuer;
  bool client_certificates = false;  // asked for
  std::optional<CertificateView> certificate;   // in the file; none: it serves one that it made itself
  std::vector<ServedView> served;
  std::vector<StandingProblem> problems;
};

struct TaskView {                    // pgcertd_task_*
  std::string name;                  // "cluster:main", "issuer:local", "http"
  TimePoint last_run{};
  Duration interval{};
  std::uint64_t errors = 0;
};

struct ChainHead {                   // of the chain of events, as it was told to the journal last
  std::int64_t event = 0;            // 0: none yet
  std::string hash;
  TimePoint at{};
};

struct Snapshot {
  std::uint64_t version = 0;         // counts up; with the boot id it is the ETag
  TimePoint generated_at{};
  Severity status = Severity::unknown;
  bool first_pass_done = false;      // /readyz
  std::vector<std::string> awaited;  // clusters that are configured and were not looked at yet
  bool config_ok = true;
  TimePoint config_loaded_at{};
  std::vector<ClusterView> clusters; // in name order
  std::vector<IssuerView> issuers;
  std::optional<ListenerView> listener;        // none: plain HTTP, or not looked at yet
  std::vector<TaskView> tasks;
  std::vector<StandingProblem> problems;       // of the daemon itself
  std::uint64_t state_write_failures = 0;
  ChainHead chain_head;

  [[nodiscard]] const ClusterView* cluster(const std::string& name) const;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

}  // namespace pgcertd
