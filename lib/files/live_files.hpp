// LiveFileReader: what a server's settings name. The paths are a stranger's (a database superuser sets them): only what the
// server itself could use is read, nothing inside STATE or a CA directory but through our own `current`, and nothing is
// handed on as it stands but for parsing. One thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "files/resolve.hpp"
#include "ports/files.hpp"

namespace pgcertd::files {

struct LivePlaces {
  std::string state_directory;
  std::string cluster_directory;                  // STATE/clusters/NAME
  std::vector<std::string> ca_directories{};      // those that need not exist yet, too
  std::string snakeoil_certificate = "/etc/ssl/certs/ssl-cert-snakeoil.pem";
};

class LiveFileReader final : public ports::LiveFiles {
 public:
  // The server's user with all groups, or nothing while it is unknown: then only a key of our own user is read.
  using Server = std::function<std::optional<ServerIdentity>()>;
  LiveFileReader(LivePlaces places, Server server) : places_(std::move(places)), server_(std::move(server)) {}

  Result<Read> read_certificate(const std::string& cert_path, const std::string& key_path) override;
  Result<PathSeen> look(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path, const ServerIdentity& server) override;
  Result<std::string> read_public(const std::string& path, const ServerIdentity& server) override;
  Result<GenerationContent> read_pair(const std::string& cert_path, const std::string& key_path) override;

 private:
  // Resolved, and allowed to be read.
  Result<Resolved> locate(const std::string& path) const;
  bool through_current(const std::string& path, const Resolved& file) const;
  // While the server's user is known, only what that could read is read.
  [[nodiscard]] Result<void> check_certificate(const std::string& path, const Resolved& file) const;
  Result<void> check_key(const Resolved& key) const;
  bool encrypted(const Resolved& key) const;

  LivePlaces places_;
  Server server_;
};

}  // namespace pgcertd::files
