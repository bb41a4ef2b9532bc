// What ssl_passphrase_command gives, run as PostgreSQL runs it (run_ssl_passphrase_command in be-secure-common.c): by a shell,
// in the data directory, with %p for the prompt. Only for a daemon that is the server's own user, who runs it anyway.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

Result<Secret> run_passphrase_command(const std::string& command, const std::string& data_directory, Deadline deadline, const Cancel& cancel);

}  // namespace pgcertd::postgres
