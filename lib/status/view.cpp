#include "status/view.hpp"

#include <algorithm>
#include <array>

namespace pgcertd::status {
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

std::string_view type_name(IssuerType type) noexcept {
  switch (type) {
    case IssuerType::local: return "local";
    case IssuerType::offline: return "offline";
    case IssuerType::self_signed: return "self-signed";
  }
  return "local";
}

std::vector<std::string> all_names(const Names& names) {
  std::vector<std::string> out = names.dns;
  out.insert(out.end(), names.ip.begin(), names.ip.end());
  return out;
}

bool pending_restart(const PostgresSeen& server) {
  return std::any_of(server.settings.begin(), server.settings.end(), [](const auto& s) { return s.second.pending_restart; });
}

bool in_progress(Stage stage) noexcept {
  return stage == Stage::requested || stage == Stage::issued || stage == Stage::staged || stage == Stage::published;
}

bool stands(const ClusterView& cluster, ProblemCode code) {
  return std::any_of(cluster.problems.begin(), cluster.problems.end(), [&](const auto& p) { return p.finding.code == code; });
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
