// Files of a CA directory: read whole, made without a moment in which others can read them, and on the disk (file and
// directory entry) when the call returns. A replaced file is the old one or the new one, never a part. Any thread.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace pgcertd::ca {

// The whole of a regular file of at most 96 MiB (largest_crl); a symbolic link as the last component is refused.
Result<std::string> read_file(const std::string& path);
Result<Secret> read_secret_file(const std::string& path);
// Made with O_EXCL and `mode` before the first byte; Errc::exists when it is there already. Removed again on failure.
Result<void> write_new_file(const std::string& path, std::string_view bytes, mode_t mode);
// Would replace_file() find a place and room for a small file? Asked before something is done that cannot be taken back. Leaves nothing.
Result<void> check_replaceable(const std::string& path);
// Through a new file beside it and one rename. What is there and is no regular file is refused and stays.
Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode);
Result<void> sync_directory(const std::string& path);
// The directory that holds `path`.
std::string parent_of(const std::string& path);

}  // namespace pgcertd::ca
