// check --direct: one look of this program's own at files, servers and handshakes, by the daemon's rules, with or without a daemon.
// Changes nothing: no file is made, no key opened, no reload asked for.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::ctl {

// As /v1/status has it, of the clusters alone.
Result<nlohmann::json> direct_status(const Config& config, TimePoint now);

}  // namespace pgcertd::ctl
