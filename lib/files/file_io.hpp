// Whole files inside an open Directory: read with a limit, made durable without a moment in which others could read them,
// wiped. Only regular files are read or written, never through a link. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/cert.hpp"
#include "files/directory.hpp"

namespace pgcertd::files {

constexpr std::size_t key_limit = 64U << 10U;
constexpr std::size_t certificate_limit = 1U << 20U;
constexpr std::size_t crl_limit = largest_crl;

Result<std::string> read_file(const Directory& directory, const std::string& name, std::size_t limit);
Result<Secret> read_secret(const Directory& directory, const std::string& name, std::size_t limit);
// The same for a file that is open already; `path` stands in errors.
Result<std::string> read_all(int fd, const std::string& path, std::size_t limit);
Result<Secret> read_all_secret(int fd, const std::string& path, std::size_t limit);

struct NewFile {
  mode_t mode = 0600;
  std::optional<ServerIdentity> owner{};      // given to it last, when it is not our own user
};
// Made 0600 with O_EXCL before the first byte; content, then owner and mode, then fsync.
Result<void> write_new_file(const Directory& directory, const std::string& name, std::string_view bytes, const NewFile& as);

// Zeros over a regular file of ours that is linked nowhere any more; of anything else nothing.
Result<void> overwrite(int fd, const std::string& path);

// Removes the directory `name` of `parent` with the files in it; `secret` is overwritten first. A key that cannot be
// overwritten is removed all the same, and then reported. Nothing there at all is a success.
Result<void> remove_directory(const Directory& parent, const std::string& name, const std::string& secret);

}  // namespace pgcertd::files
