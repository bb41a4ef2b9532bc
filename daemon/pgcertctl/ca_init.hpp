// Making a root and an issuing CA, as `ca init` and `setup` do it.
#pragma once

#include <string>

#include "ca/ceremony.hpp"
#include "pgcertctl/arguments.hpp"
#include "pgcertctl/session.hpp"

namespace pgcertd::ctl {

// Asks for the root's passphrase on the terminal unless the command says where it is, or that there is none.
Result<ca::InitOptions> ca_options(const CaInit& command);
// What was made, and how the root's key is taken away.
std::string ca_text(const ca::InitOptions& options, const ca::InitReport& report, const Session& session);

}  // namespace pgcertd::ctl
