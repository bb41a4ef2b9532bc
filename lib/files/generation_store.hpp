// GenerationStore: STATE/clusters/NAME. A generation is built under a temporary name and never written again once it has
// its own; `current` changes by one rename. Nothing is opened before the first call. One thread (that cluster's worker).
#pragma once

#include <cstdint>
#include <string>

#include "files/directory.hpp"
#include "files/generation_reader.hpp"
#include "ports/files.hpp"
#include "ports/random.hpp"

namespace pgcertd::files {

class GenerationStore final : public ports::Generations {
 public:
  // looks: nothing is made and nothing is swept, for another program than the daemon; only observe() and load() work then.
  enum class Access : std::uint8_t { keeps, looks };
  // `state_directory` is absolute and exists; what is missing below it is made by the first call. `random` outlives it.
  GenerationStore(const std::string& state_directory, std::string cluster_name, ports::Random& random, Access access = Access::keeps);

  Result<GenerationsSeen> observe() override;
  Result<std::string> stage(const GenerationContent& content, std::uint64_t number, const ServerIdentity& server,
                            TimePoint now) override;
  Result<void> prepare_way_back(const std::string& id) override;
  Result<void> publish(const std::string& id) override;
  Result<void> publish_way_back() override;
  Result<GenerationContent> load(const std::string& id) override;
  Result<void> remove(const std::string& id) override;
  Result<void> repair(const std::string& id, FileRole role, const ServerIdentity& server) override;

  [[nodiscard]] const std::string& directory() const noexcept { return directory_; }   // STATE/clusters/NAME
  // How often files were read, not only looked at.
  [[nodiscard]] std::uint64_t contents_read() const noexcept { return reader_.contents_read(); }

 private:
  struct Places {
    Directory cluster, generations;
  };
  // Opened for each call: a directory that was removed and made again under a running daemon is found.
  Result<Places> places() const;
  Result<GenerationsSeen> observe(const Places& at, GenerationsSeen seen);
  Result<std::string> fresh_id(const Directory& generations, TimePoint now);

  std::string state_directory_, cluster_name_, directory_;
  ports::Random& random_;
  const Access access_;
  GenerationReader reader_;
};

}  // namespace pgcertd::files
