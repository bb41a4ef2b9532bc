// OwnPair: STATE/http/listener.pem, the HTTP listener's key and chain in one file of mode 0600, so that one rename swaps both. One thread.
#pragma once

#include <optional>
#include <string>

#include "files/directory.hpp"
#include "ports/files.hpp"

namespace pgcertd::files {

class OwnPair final : public ports::OwnPair {
 public:
  explicit OwnPair(std::string state_directory) : state_directory_(std::move(state_directory)) {}
  [[nodiscard]] std::string path() const override;
  Result<std::optional<Pair>> read() override;
  Result<void> write(const std::string& chain_pem, const Secret& key_pem) override;

 private:
  [[nodiscard]] Result<Directory> directory() const;
  const std::string state_directory_;
};

}  // namespace pgcertd::files
