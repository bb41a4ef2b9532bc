#include "engine/view.hpp"

#include <algorithm>

namespace pgcertd::engine {
std::vector<StandingProblem> standing(const std::vector<Finding>& findings, const std::vector<ProblemSince>& known, TimePoint now) {
  std::vector<StandingProblem> out;
  for (const Finding& f : findings) {
    const auto twice = std::any_of(out.begin(), out.end(), [&](const StandingProblem& p) { return p.finding.code == f.code && p.finding.object == f.object; });
    if (twice) continue;
    const auto since = std::find_if(known.begin(), known.end(), [&](const ProblemSince& p) { return p.code == f.code && p.object == f.object; });
    out.push_back({f, since == known.end() ? now : since->since});
  }
  std::stable_sort(out.begin(), out.end(), [](const StandingProblem& a, const StandingProblem& b) {
    return a.finding.severity != b.finding.severity && worse(a.finding.severity, b.finding.severity) == a.finding.severity;
  });
  return out;
}

namespace {

std::optional<CertificateView> certificate_view(const Observation& seen, const Plan& plan) {
  const GenerationSeen* current = seen.generations.live();
  if ((seen.live.ours || !seen.server.known || seen.live.chain.empty()) && current != nullptr && !current->chain.empty()) {
    CertificateView view{seen.generations.directory + "/generations/" + current->id + "/server.crt", current->chain.front(), current->chain, current->chain.front().not_after, plan.renew_at, {}};
    if (seen.live.ours) view.path = seen.live.cert_path;
    if (seen.current) view.judgement = *seen.current, view.chain_not_after = seen.current->chain_not_after;
    return view;
  }
  if (seen.live.chain.empty()) return std::nullopt;
  return CertificateView{seen.live.cert_path, seen.live.chain.front(), seen.live.chain, seen.live.judgement.chain_not_after, std::nullopt, seen.live.judgement};
}

}  // namespace

ClusterView make_view(const Desired& desired, const Observation& seen, const Plan& plan, TimePoint now) {
  ClusterView view;
  view.name = desired.cluster.name;
  view.issuer = desired.cluster.issuer;
  view.server = seen.server;
  view.certificate = certificate_view(seen, plan);
  const std::string file = view.certificate ? view.certificate->leaf.fingerprint_sha256 : "";
  for (const ProbeSeen& probe : seen.probes)
    view.served.push_back({probe, !probe.chain.empty() && probe.chain.front().fingerprint_sha256 == file, probe.verify});
  view.need = plan.need;
  view.stage = plan.stage;
  view.next_step = plan.action ? describe(*plan.action) : plan.reasons.empty() ? "" : plan.reasons.back();
  view.reasons = plan.reasons;
  view.next_at = plan.wake_at;
  if (const GenerationSeen* current = seen.generations.live()) {
    view.generation = current->number;
    view.generation_id = current->id;
    view.files = current->files;
  }
  view.identity = seen.server.identity();
  view.permissions = judge_tls_files(seen);
  if (seen.detail) {
    view.sessions = seen.detail->sessions;
    view.client_certificate_sessions = seen.detail->cert_sessions.size();
    view.revoked_sessions = seen.revoked_sessions.size();
  }
  view.crl_set = seen.crl_set;
  view.pending = seen.pending;
  view.runway = runway(as_installed(seen.issuer, seen.generations.live()), desired.issuer_type, view.certificate ? std::optional{view.certificate->leaf} : std::nullopt, plan.renew_at);
  view.memory = seen.memory;
  view.problems = standing(plan.findings, seen.memory.problems, now);
  view.status = Severity::ok;
  for (const StandingProblem& p : view.problems) view.status = worse(view.status, p.finding.severity);
  view.seen_at = now;
  return view;
}

// An endpoint that is not probed any more is forgotten, unless nothing can be probed at all.
void keep_last_known(ClusterView& view, const ClusterView& before) {
  if (!view.certificate) view.last_certificate = before.certificate ? before.certificate : before.last_certificate;
  const auto at = [](const std::vector<ServedView>& list, const std::string& endpoint) {
    return std::ranges::find(list, endpoint, [](const ServedView& v) -> const std::string& { return v.probe.endpoint; });
  };
  for (const auto* list : {&before.served, &before.last_served})
    for (const ServedView& old : *list) {
      const auto now = at(view.served, old.probe.endpoint);
      const bool wanted = now == view.served.end() ? view.served.empty() && !view.server.reachable() : now->probe.chain.empty();
      if (wanted && !old.probe.chain.empty() && at(view.last_served, old.probe.endpoint) == view.last_served.end()) view.last_served.push_back(old);
    }
}

IssuerView make_issuer_view(const IssuerConfig& config, const IssuerSeen& seen, Duration longest_leaf, const std::vector<ProblemSince>& known, TimePoint now) {
  IssuerView view;
  view.seen = seen;
  view.type = config.type;
  if (seen.issuing) view.renew_at = half_life(*seen.issuing);
  view.problems = standing(judge_issuer(config, seen, longest_leaf, now), known, now);
  return view;
}

}  // namespace pgcertd::engine
