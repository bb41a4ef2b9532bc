// The passphrase of the issuing CA's key as setup keeps it: a credential that systemd alone gives to the daemon. Encrypted for this
// host where systemd runs and can do that, else a file that only root may read.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pgcertd::ctl {

inline constexpr const char* issuing_credential = "issuing-ca";   // credential:NAME of the configuration

struct Credential {
  std::string path;
  bool encrypted = false;

  // For the [Service] section of the unit.
  [[nodiscard]] std::string unit_line() const;
};

// Below the directory where systemd reads. nullopt: it is not there.
std::optional<Credential> find_credential(const std::string& system_directory);
// The one that is there, or that make_passphrase() would make.
Credential credential_for(const std::string& system_directory);

// The passphrase in the credential that is there: a key that came back from a backup may need it. Else a new one, random and durable.
// `warn` is told where it could not be encrypted.
Result<Secret> issuing_passphrase(const std::string& system_directory, const std::function<void(const std::string&)>& warn);

}  // namespace pgcertd::ctl
