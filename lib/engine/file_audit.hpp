// What stands in and around the files that a server's settings name, for core's audit. Only reads, through LiveFiles.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/observation.hpp"
#include "ports/files.hpp"

namespace pgcertd::engine {

TlsFilesSeen look_into_files(ports::LiveFiles& files, const PostgresSeen& server, const LiveSet& live);
// Owner and mode of each file that a setting names outside `cluster_directory`.
std::vector<LiveFileSeen> look_at_files(ports::LiveFiles& files, const PostgresSeen& server, const LiveSet& live, const std::string& cluster_directory);
// When the newest of the files was written that hold pg_hba's rows; nullopt: it cannot be seen.
std::optional<TimePoint> hba_modified(ports::LiveFiles& files, const PostgresSeen& server, const ServerDetail& detail);
// What ssl_crl_file holds, beside the CAs of ssl_ca_file; nullopt: it is not set. Read again only when one of the files has changed
// since: a CRL may have megabytes. One thread.
class CrlLook {
 public:
  std::optional<CrlSet> look(ports::LiveFiles& files, const PostgresSeen& server);

 private:
  std::vector<FileSeen> stamps_;         // of both files, when `known_` was read
  int looks_ = 0;                        // since then; a change within a clock tick of the first leaves the stamps as they were
  std::optional<CrlSet> known_;
};
// Of detail's sessions, those whose client certificate stands in the issuer's CRL or in the one that ssl_crl_file names.
std::vector<CertSession> revoked_sessions(ports::LiveFiles& files, const Observation& seen);

}  // namespace pgcertd::engine
