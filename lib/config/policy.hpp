// Bytes of a root's policy.toml to SigningPolicy, or everything that is wrong with it. Pure.
#pragma once

#include <string>

#include "base/result.hpp"
#include "core/signing_policy.hpp"

namespace pgcertd {

// Errc::invalid: each fault with file, line and column, as in pgcertd.toml.
Result<SigningPolicy> parse_policy(const std::string& bytes, const std::string& name);

}  // namespace pgcertd
