#include "issuer/make_issuer.hpp"

#include <fmt/format.h>

namespace pgcertd::issuer {
std::unique_ptr<ports::Issuer> make_issuer(const IssuerConfig& config, const std::string& state_directory, PendingAccess pending,
                                           SecretResolver resolve) {
  switch (config.type) {
    case IssuerType::local: {
      IssuerConfig complete = config;
      if (complete.directory.empty()) complete.directory = state_directory + "/ca";
      return std::make_unique<LocalIssuer>(std::move(complete), std::move(resolve));
    }
    case IssuerType::self_signed:
      return std::make_unique<SelfSignedIssuer>(config.name, fmt::format("{}/self-signed-{}.db", state_directory, config.name),
                                                std::move(pending.key_of));
    case IssuerType::offline: break;
  }
  return std::make_unique<OfflineIssuer>(config, fmt::format("{}/offline-{}.db", state_directory, config.name), std::move(pending.still_waits));
}

}  // namespace pgcertd::issuer
