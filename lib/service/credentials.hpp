// Reads secrets that the configuration names: `file:PATH` or systemd's `credential:NAME`. The bytes are in no message.
#pragma once

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/config.hpp"

namespace pgcertd::service {

// Without one trailing newline. A file must be regular, belong to root or to us, and be closed to group and others;
// how a credential is protected is systemd's business.
Result<Secret> read_secret(const SecretSource& source);

}  // namespace pgcertd::service
