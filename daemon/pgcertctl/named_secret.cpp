#include "pgcertctl/named_secret.hpp"

#include <cstdlib>

#include "cli/secret_input.hpp"

namespace pgcertd::ctl {

Result<Secret> named_secret(const std::string& text) {
  PGCERTD_TRY(const SecretSource source, cli::parse_secret_source(text));
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  return cli::read_secret(source, directory == nullptr ? std::string{} : directory);
}

}  // namespace pgcertd::ctl
