// Observer: gathers one Observation through the ports. Only reads. What is costly (the server, handshakes) is asked again
// only after invalidate(), which the reconciler calls after each act that could have changed it and at each full pass.
// One thread: the cluster's worker.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "core/observation.hpp"
#include "core/plan.hpp"
#include "engine/file_audit.hpp"
#include "engine/leaf_judge.hpp"
#include "engine/ports.hpp"
#include "engine/trust_look.hpp"

namespace pgcertd::engine {

class Observer {
 public:
  explicit Observer(ClusterPorts ports) : ports_(std::move(ports)) {}

  Observation observe(const Desired& desired, const ClusterMemory& memory, TimePoint now);
  void invalidate_server() { server_.reset(); probes_.reset(); canary_.reset(); foreign_.reset(); live_.reset(); restart_.reset(); }
  // At each full pass: what is not needed between the steps of a rotation.
  void invalidate_detail() { detail_.reset(); audited_.reset(); trust_.look_again_at_foreign_files(); }
  void invalidate_probes() { probes_.reset(); canary_.reset(); }
  // A test's fault point: publish whatever is staged, so that the handshake and the rollback are put to the test.
  void skip_preflight(bool skip) { skip_preflight_ = skip; }

 private:
  struct CachedJudgement {
    GenerationSeen generation;
    Anchors issuer;   // as it told them
    Names names;
    TimePoint at{};
    LeafJudgement judgement;
  };

  // nullptr: it would have to be judged anew.
  [[nodiscard]] const LeafJudgement* known_judgement(const GenerationSeen& generation, const Observation& seen, const Names& names, TimePoint now) const;
  const LeafJudgement& judge(const GenerationSeen& generation, const GenerationContent& content, const Observation& seen, const Names& names, TimePoint now);
  void observe_state(Observation& seen, const Desired& desired);
  void observe_server(Observation& seen, const Desired& desired, TimePoint now);
  void observe_live(Observation& seen, const Desired& desired, TimePoint now);
  void observe_in_place(Observation& seen, const Desired& desired);
  void observe_detail(Observation& seen);
  void observe_audited(Observation& seen);
  void observe_issuer(Observation& seen, const Desired& desired, TimePoint now);
  void observe_current(Observation& seen, const Desired& desired, TimePoint now);
  void observe_candidates(Observation& seen, const Desired& desired, TimePoint now);
  void observe_canary(Observation& seen, const Desired& desired);
  void observe_restart(Observation& seen, const Desired& desired, TimePoint now);

  ClusterPorts ports_;
  bool skip_preflight_ = false;
  GenerationsSeen generations_;
  std::vector<PendingSeen> pending_;
  std::optional<PostgresSeen> server_;
  std::optional<std::vector<ProbeSeen>> probes_;
  struct CanarySeen {
    std::string generation;
    CanaryVerdict verdict = CanaryVerdict::unknown;
    std::string text;
  };
  CanarySeen ask(const std::string& endpoint, const Canaries& canaries, const std::string& generation);
  std::optional<CanarySeen> canary_;
  std::optional<LiveSet> live_;
  std::optional<std::string> foreign_;
  std::optional<RestartOutlook> restart_;
  struct Audited {
    Audited(std::string cert, std::string crl, std::string current) : cert_path(std::move(cert)), crl_path(std::move(crl)), generation(std::move(current)) {}
    std::string cert_path, crl_path, generation;   // that it was read for
    TlsFilesSeen tls_files;
    std::vector<LiveFileSeen> live_files;
    std::vector<CertSession> revoked_sessions;
    std::optional<CrlSet> crl_set;
  };
  std::optional<ServerDetail> detail_;
  std::optional<Audited> audited_;
  CrlLook crls_;
  TrustLook trust_;
  // By generation: what is judged as a candidate is not judged again as the current one.
  std::map<std::string, CachedJudgement> judged_;
};

}  // namespace pgcertd::engine
