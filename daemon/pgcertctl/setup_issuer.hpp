// The steps of `setup` that make or connect who issues: a CA of this host's own, one whose root is elsewhere, or none here at all.
// A configuration that says who issues stays as it is.
#pragma once

#include "pgcertctl/setup_steps.hpp"

namespace pgcertd::ctl {

std::vector<Step> issuer_steps(const Host& host, const Session& session);

// The unit's line for the credential, where `config` names the one of setup or will do so. Empty: it needs none.
Result<std::string> credential_lines(const Host& host, const Config& config);

}  // namespace pgcertd::ctl
