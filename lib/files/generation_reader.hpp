// GenerationReader: one generation's directory as facts. What was read is kept as long as inode, times, size, owner and
// mode of each file stay, so that an idle look costs a few fstatat calls. One thread.
#pragma once

#include <sys/stat.h>

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/generation.hpp"
#include "core/permissions.hpp"
#include "files/directory.hpp"

namespace pgcertd::files {

inline std::string file_name_text(FileRole role) { return std::string{file_name(role)}; }

class GenerationReader {
 public:
  // Whatever is wrong with it stands in the result. An error: it could not be looked at just now, and may be whole.
  Result<GenerationSeen> read(const Directory& generations, const std::string& id);
  void keep_only(const std::vector<std::string>& sorted_ids);
  [[nodiscard]] std::uint64_t contents_read() const noexcept { return contents_read_; }

 private:
  using Stamps = std::array<std::optional<struct stat>, 5>;   // manifest and the four files
  struct Known {
    Stamps stamps{};
    GenerationSeen seen{};
    int looks = 0;
  };
  Result<GenerationSeen> not_read(const std::string& id, const Error& error);

  std::map<std::string, Known> known_;
  std::map<std::string, int> disk_errors_;   // in a row
  std::uint64_t contents_read_ = 0;
};

}  // namespace pgcertd::files
