// PendingStore: STATE/pending/SPKI, keys that wait for their certificates. An entry is there whole or not at all. Safe for
// several workers, each with a cluster of its own.
#pragma once

#include <functional>
#include <string>

#include "files/directory.hpp"
#include "ports/files.hpp"

namespace pgcertd::files {

class PendingStore final : public ports::PendingKeys {
 public:
  using PassphraseOf = std::function<Result<Secret>()>;
  // `state_directory` exists; pending/ is made by the first call. With `passphrase_of`, keys are encrypted while they wait.
  explicit PendingStore(std::string state_directory, PassphraseOf passphrase_of = {}) : state_directory_(std::move(state_directory)), passphrase_of_(std::move(passphrase_of)) {}

  // Oldest first. An entry that lost its key or its request is of no use to anybody and is cleared away.
  Result<std::vector<PendingSeen>> list(const std::string& cluster) override;
  Result<void> put(const PendingSeen& request, const Secret& key_pem) override;
  Result<Secret> key(const std::string& spki_sha256) override;
  Result<void> remove(const std::string& spki_sha256) override;
  // Whether the key is there, without reading it.
  [[nodiscard]] bool holds(const std::string& spki_sha256) const;

 private:
  Result<Directory> pending() const;
  std::string state_directory_;
  PassphraseOf passphrase_of_;
};

}  // namespace pgcertd::files
