#include "pgcertd/issuers.hpp"

#include "files/pending_store.hpp"
#include "issuer/make_issuer.hpp"
#include "service/credentials.hpp"

namespace pgcertd::daemon {

std::unique_ptr<ports::Issuer> real_issuer(const Config& config, const IssuerConfig& issuer) {
  const auto key_of = [state = config.daemon.state_directory](const std::string& spki) { return files::PendingStore(state).key(spki); };
  const auto still_waits = [state = config.daemon.state_directory](const std::string& spki) { return files::PendingStore(state).holds(spki); };
  return issuer::make_issuer(issuer, config.daemon.state_directory, {key_of, still_waits}, [](const SecretSource& source) { return service::read_secret(source); });
}

}  // namespace pgcertd::daemon
