// Passphrases named on the command line: file:PATH or credential:NAME (systemd, $CREDENTIALS_DIRECTORY), never the words
// themselves, which every user of the host could read in /proc. Refuses what others could have read or written.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/config.hpp"

namespace pgcertd::cli {

Result<SecretSource> parse_secret_source(std::string_view text);
// `credentials_directory` is the environment's, empty without one. One line end at the end is not part of the secret.
Result<Secret> read_secret(const SecretSource& source, const std::string& credentials_directory);

}  // namespace pgcertd::cli
