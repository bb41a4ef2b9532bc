// The issuer behind a section of the configuration, wired to this host's secrets and pending keys.
#pragma once

#include <memory>

#include "core/config.hpp"
#include "ports/issuer.hpp"

namespace pgcertd::daemon {

std::unique_ptr<ports::Issuer> real_issuer(const Config& config, const IssuerConfig& issuer);

}  // namespace pgcertd::daemon
