// pgcertd.conf in an include_dir of postgresql.conf: found, read, replaced atomically. PostgreSQL's word for where that is
// counts only inside a directory that the configuration of pgcertd allows; it is reached without following links.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "core/server.hpp"

namespace pgcertd::postgres {

// A file of somebody else, at most `limit` bytes; a FIFO or device is refused.
Result<std::string> read_text_file(const std::string& path, std::size_t limit = 4U << 20);

class ConfFile {
 public:
  // nullopt: no include_dir, outside `allowed`, not writable, or others would have the last word on `names`.
  static std::optional<ConfFile> find(const std::string& config_file, const std::vector<std::string>& names,
                                      const std::vector<std::string>& allowed, const std::string& cluster_directory);
  // The lines as they are now; none when the file is not there.
  [[nodiscard]] Result<std::map<std::string, std::string>> read() const;
  // Sets or removes lines, keeps the others; without any left the file goes. Durable when it returns.
  [[nodiscard]] Result<void> apply(const SettingsChange& change) const;

 private:
  ConfFile(UniqueFd directory, std::string path, std::string cluster_directory);
  [[nodiscard]] Result<std::string> text() const;
  [[nodiscard]] Result<void> replace(const std::string& text) const;
  [[nodiscard]] bool is_last_word(const std::vector<std::string>& names) const;

  UniqueFd directory_;
  std::string path_;              // of the directory, for messages
  std::string cluster_directory_;
};

}  // namespace pgcertd::postgres
