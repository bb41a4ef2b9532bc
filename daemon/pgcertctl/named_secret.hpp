// A passphrase from where the command line says: file:PATH or credential:NAME.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pgcertd::ctl {

Result<Secret> named_secret(const std::string& source);

}  // namespace pgcertd::ctl
