// The issuer that a section [issuer.NAME] describes.
#pragma once

#include <memory>
#include <string>

#include "core/config.hpp"
#include "issuer/local_issuer.hpp"
#include "issuer/offline_issuer.hpp"
#include "issuer/self_signed_issuer.hpp"
#include "ports/issuer.hpp"

namespace pgcertd::issuer {

// The keys that wait for their certificates.
struct PendingAccess {
  KeyOf key_of;
  StillWaits still_waits;
};

// Never fails: what is wrong with an issuer stands in its IssuerSeen, and may heal. `state_directory` is where a local
// CA lies by default and where the registry of a self-signed issuer and the book of an offline one are kept.
std::unique_ptr<ports::Issuer> make_issuer(const IssuerConfig& config, const std::string& state_directory, PendingAccess pending,
                                           SecretResolver resolve);

}  // namespace pgcertd::issuer
