#include "status/view.hpp"

#include <algorithm>
#include <array>

namespace pgcertd::status {
namespace {

// Several issuers share a page.
std::vector<RootWant> named(std::vector<RootWant> wants, const IssuerView& issuer) {
  for (RootWant& want : wants) want.what += " (issuer " + issuer.seen.name + ")";
  return wants;
}

}  // namespace

const IssuerView* issuer_of(const Snapshot& snapshot, const ClusterView& cluster) {
  const auto found = std::find_if(snapshot.issuers.begin(), snapshot.issuers.end(), [&](const IssuerView& i) { return i.seen.name == cluster.issuer; });
  return found == snapshot.issuers.end() ? nullptr : &*found;
}

std::vector<PendingSeen> pending_of(const Snapshot& snapshot, const IssuerView& issuer) {
  std::vector<PendingSeen> out;
  for (const ClusterView& cluster : snapshot.clusters)
    if (issuer_of(snapshot, cluster) == &issuer) out.insert(out.end(), cluster.pending.begin(), cluster.pending.end());
  return out;
}

std::vector<Visit> visits_of(const Snapshot& snapshot) {
  std::vector<RootWant> wants;
  std::optional<TimePoint> root_ends;
  for (const IssuerView& issuer : snapshot.issuers) {
    std::ranges::move(named(root_wants(issuer.seen), issuer), std::back_inserter(wants));
    if (issuer.seen.root) root_ends = root_ends ? std::min(*root_ends, issuer.seen.root->not_after) : issuer.seen.root->not_after;
  }
  for (const ClusterView& cluster : snapshot.clusters) {
    const IssuerView* const issuer = issuer_of(snapshot, cluster);
    if (issuer == nullptr || issuer->type != IssuerType::offline || !cluster.certificate || !cluster.certificate->renew_at) continue;
    std::ranges::move(leaf_want(cluster.name, cluster.certificate->leaf, *cluster.certificate->renew_at), std::back_inserter(wants));
  }
  return foresee_visits(std::move(wants), snapshot.generated_at, root_ends, 3);
}

std::vector<RootDate> dates_of(const Snapshot& snapshot) {
  std::vector<RootDate> out;
  const auto add = [&](std::optional<TimePoint> at, std::string what) {
    if (at && *at < no_expiry) out.push_back({*at, std::move(what)});
  };
  for (const IssuerView& issuer : snapshot.issuers) {
    const std::string of = " of issuer " + issuer.seen.name;
    for (const RequestSeen& request : issuer.seen.requests)
      add(request.since, request.cluster.empty() ? "the request of the issuing CA" + of + " waits since" : "the request of cluster " + request.cluster + " waits since");
    if (issuer.seen.issuing) add(half_life(*issuer.seen.issuing), "the issuing CA" + of + " is wanted anew"), add(issuer.seen.issuing->not_after, "the issuing CA" + of + " ends");
    if (issuer.seen.root_crl) add(issuer.seen.root_crl->next_update, "the root's CRL" + of + " ends");
    if (issuer.seen.root) add(issuer.seen.root->not_after, "the root" + of + " ends");
  }
  for (const ClusterView& cluster : snapshot.clusters) {
    const IssuerView* const issuer = issuer_of(snapshot, cluster);
    if (issuer == nullptr || issuer->type != IssuerType::offline || !cluster.certificate) continue;
    add(cluster.certificate->renew_at, "cluster " + cluster.name + " asks for its next certificate");
    add(cluster.certificate->leaf.not_after, "the certificate of cluster " + cluster.name + " ends");
  }
  std::ranges::stable_sort(out, {}, &RootDate::at);
  return out;
}

std::string_view type_name(IssuerType type) noexcept {
  switch (type) {
    case IssuerType::local: return "local";
    case IssuerType::offline: return "offline";
    case IssuerType::self_signed: return "self-signed";
  }
  return "local";
}

bool pending_restart(const PostgresSeen& server) {
  return std::any_of(server.settings.begin(), server.settings.end(), [](const auto& s) { return s.second.pending_restart; });
}

bool in_progress(Stage stage) noexcept {
  return stage == Stage::requested || stage == Stage::issued || stage == Stage::staged || stage == Stage::published;
}

bool stands(const std::vector<StandingProblem>& problems, ProblemCode code) {
  return std::any_of(problems.begin(), problems.end(), [&](const auto& p) { return p.finding.code == code; });
}

std::optional<TimePoint> next_attempt(const ClusterView& cluster) {
  if (cluster.memory.retry_at) return cluster.memory.retry_at;
  return cluster.certificate ? cluster.certificate->renew_at : std::nullopt;
}

std::optional<FileRole> role_of(const FileSeen& file) {
  const std::string_view name = std::string_view(file.path).substr(file.path.rfind('/') + 1);
  for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl})
    if (file_name(role) == name) return role;
  return std::nullopt;
}

FileVerdict judge(const ServerIdentity& server, const FileSeen& file) {
  return role_of(file) == FileRole::key ? judge_key(server, file) : judge_public(server, file);
}

}  // namespace pgcertd::status
