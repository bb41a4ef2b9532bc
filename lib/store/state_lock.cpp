#include "store/state_lock.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace pgcertd::store {
namespace {

// Empty when the holder has not written it yet.
std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  std::string pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  return pid.substr(0, pid.find_first_not_of("0123456789"));
}

}  // namespace

Result<StateLock> lock_state(const std::string& directory) {
  const std::string path = directory + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return fail(errno_error("open", path, errno));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return fail(errno_error("flock", path, errno));
    const std::string pid = holder_of(fd.get());
    return fail(
        Errc::busy,
        fmt::format("the state directory \"{}\" is in use by {}", directory, pid.empty() ? "another pgcertd" : "process " + pid),
        "stop the other pgcertd first, or give this one a state_directory of its own");
  }
  // The number serves the message above only: that it cannot be written on a full disk takes no lock away.
  const std::string pid = fmt::format("{}\n", ::getpid());
  if (::ftruncate(fd.get(), 0) == 0) (void)!::pwrite(fd.get(), pid.data(), pid.size(), 0);
  return StateLock(std::move(fd));
}

}  // namespace pgcertd::store
