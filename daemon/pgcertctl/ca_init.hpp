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
// An issuing CA under a root that is elsewhere: `command` names root_cert.
Result<ca::IssuingOptions> issuing_options(const CaInit& command);
// Its request in `output`, and what is done with it.
std::string issuing_text(const ca::IssuingOptions& options, const ca::IssuingReport& report, const std::string& output, const Session& session);

}  // namespace pgcertd::ctl
