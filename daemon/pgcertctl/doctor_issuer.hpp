// What doctor finds of one issuer's directory, with no word of the daemon: its certificate, its registry, and whether its key is
// there and could sign.
#pragma once

#include <string>

#include "core/config.hpp"
#include "pgcertctl/checked.hpp"

namespace pgcertd::ctl {

// `daemon` is a directory that belongs to whom the daemon runs as, who must be able to read the key.
Checked examine_issuer(const IssuerConfig& issuer, const std::string& daemon);

}  // namespace pgcertd::ctl
