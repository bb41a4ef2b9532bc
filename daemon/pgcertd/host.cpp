#include "pgcertd/host.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.hpp"
#include "files/host.hpp"

namespace pgcertd::daemon {

std::string host_fqdn() {
  auto name = files::host_fqdn();
  return name ? std::move(*name) : std::string{};   // without one, names must be configured: the plan says so
}

namespace {

// The mark of `pgcertctl setup --undo`, by which a purge of the package removes everything: the directory is in use again.
Result<void> take_mark_away(const std::string& mark) {
  if (::unlink(mark.c_str()) != 0 && errno != ENOENT) return fail(errno_error("unlink", mark, errno));
  return {};
}

}  // namespace

Result<void> make_state_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return take_mark_away(path + "/unused");
    return fail(errno_error("mkdir", path, errno));
  }
  const UniqueFd directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory || ::fchmod(directory.get(), 0711) != 0) return fail(errno_error("fchmod", path, errno));
  return {};
}

}  // namespace pgcertd::daemon
