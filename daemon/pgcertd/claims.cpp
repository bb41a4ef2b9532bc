#include "pgcertd/claims.hpp"

#include <filesystem>
#include <system_error>

namespace pgcertd::daemon {
namespace {

// As far as the daemon may look; the rest stays as it is written.
std::string without_links(const std::string& directory) {
  if (directory.empty()) return {};
  std::error_code ignored;   // then by the text alone
  std::filesystem::path path = std::filesystem::weakly_canonical(directory, ignored);
  if (ignored) path = std::filesystem::path(directory).lexically_normal();
  const std::string text = path.string();
  return text.size() > 1 && text.ends_with('/') ? text.substr(0, text.size() - 1) : text;
}

}  // namespace

std::string Claims::claim(const std::string& cluster, const PostgresSeen& server, bool in_use) {
  if (!server.known) return {};
  ServerClaim wanted = claim_of(server, without_links(server.data_directory), in_use);
  const std::lock_guard lock(mutex_);
  return claims_.claim(cluster, std::move(wanted));
}

void Claims::remember(const std::string& cluster, const ClusterMemory& memory, const std::string& cluster_directory) {
  if (!memory.server) return;
  const bool in_use = memory.linked_at || memory.server->file_setting("ssl_cert_file").starts_with(cluster_directory + "/current/");
  (void)claim(cluster, *memory.server, in_use);   // its own look tells who has it, if another does
}

void Claims::keep_only(const std::vector<std::string>& clusters) {
  const std::lock_guard lock(mutex_);
  claims_.keep_only(clusters);
}

}  // namespace pgcertd::daemon
