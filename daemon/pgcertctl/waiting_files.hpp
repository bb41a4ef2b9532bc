// What waits for a root's key as the issuers' directories show it, where no daemon can be asked: the issuing CAs' own requests. Those of
// clusters are the daemon's to make and to keep. Reads only.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pgcertctl/session.hpp"

namespace pgcertd::ctl {

struct Asked {
  std::string issuer, cluster, pem, spki_sha256, subject, since;
};

// `issuer`: this one's only; empty: all. `unreachable` is why the daemon is not asked, and the error where nothing is found.
Result<std::vector<Asked>> waiting_in_files(const std::string& issuer, const Error& unreachable, const Session& session);
// The same in the form of /v1/status, with when each issuing CA and the root's CRL end.
Result<nlohmann::json> issuers_in_files(const Error& unreachable, const Session& session);

}  // namespace pgcertd::ctl
