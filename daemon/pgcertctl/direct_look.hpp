// check --direct: a status of the shape of /v1/status, from the configuration, the server, its files and handshakes alone. Asks no
// daemon and changes nothing; what the user of the monitoring may not read is not judged.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "core/config.hpp"

namespace pgcertd::ctl {

nlohmann::json direct_look(const Config& config, const std::string& only_cluster, TimePoint now);

}  // namespace pgcertd::ctl
