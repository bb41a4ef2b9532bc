#include "files/file_io.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/fd_io.hpp"

namespace pgcertd::files {
namespace {

Result<std::size_t> size_of_regular(int fd, const std::string& path, std::size_t limit) {
  struct stat seen {};
  if (::fstat(fd, &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", path));
  const auto size = static_cast<std::size_t>(seen.st_size);
  if (size > limit)
    return fail(Errc::invalid, fmt::format("\"{}\" has {} bytes, more than the {} that are read", path, size, limit));
  return size;
}

Result<void> sync_file(int fd, const std::string& path) {
  if (::fsync(fd) != 0) return fail(errno_error("fsync", path, errno));
  return {};
}

Result<void> settle(int fd, const NewFile& as, const std::string& path) {
  const bool give = as.owner && as.owner->uid != ::geteuid();
  if (give && ::fchown(fd, as.owner->uid, as.owner->gid) != 0) return fail(needs_chown(errno_error("fchown", path, errno)));
  if (as.mode != 0600 && ::fchmod(fd, as.mode) != 0) return fail(errno_error("fchmod", path, errno));
  return {};
}

Result<void> write_zeros(int fd, std::size_t size, const std::string& path) {
  constexpr std::array<char, 4096> zeros{};
  while (size > 0) {
    const std::size_t part = std::min(size, zeros.size());
    PGCERTD_CHECK(write_fully(fd, {zeros.data(), part}, path));
    size -= part;
  }
  return sync_file(fd, path);
}

// The server's key is 0600 and not ours: it can be opened for writing only after it was taken back.
void take_back(int path_fd, const struct stat& seen, const std::string& path) {
  const uid_t own = ::geteuid();
  // A refusal shows when the file is opened.
  if (seen.st_uid != own) (void)::fchownat(path_fd, "", own, ::getegid(), AT_EMPTY_PATH);
  if ((seen.st_mode & 07777) != 0600) (void)set_mode(path_fd, 0600, path);
}

Result<void> wipe(const Directory& directory, const std::string& name) {
  const std::string path = directory.path_of(name);
  const auto handle = directory.open_file(name, O_PATH);
  if (!handle) return handle.error().code == Errc::not_found ? Result<void>{} : fail(handle.error());
  struct stat seen {}, opened{};
  if (::fstat(handle->get(), &seen) != 0) return fail(errno_error("fstat", path, errno));
  // What is linked elsewhere too is somebody's file, and is not ours to overwrite.
  if (!S_ISREG(seen.st_mode) || seen.st_nlink != 1) return {};
  take_back(handle->get(), seen, path);
  auto fd = directory.open_file(name, O_WRONLY | O_NONBLOCK);
  if (!fd) return fail(needs_chown(std::move(fd).error()));
  if (::fstat(fd->get(), &opened) != 0) return fail(errno_error("fstat", path, errno));
  if (!same_file(seen, opened)) return fail(Errc::busy, fmt::format("\"{}\" was replaced while it was wiped", path));
  // The server may have stretched its file to any size; what we wrote is at the start.
  return write_zeros(fd->get(), std::min(static_cast<std::size_t>(seen.st_size), key_limit), path);
}

Result<void> unlink_all(const Directory& directory) {
  PGCERTD_TRY(const auto names, directory.names());
  for (const std::string& name : names)
    if (::unlinkat(directory.fd(), name.c_str(), 0) != 0 && errno != ENOENT)
      return fail(errno_error("unlinkat", directory.path_of(name), errno));
  return {};
}

}  // namespace

Result<std::string> read_all(int fd, const std::string& path, std::size_t limit) {
  PGCERTD_TRY(const std::size_t size, size_of_regular(fd, path, limit));
  std::string bytes(size, '\0');
  PGCERTD_TRY(const std::size_t got, read_fully(fd, bytes.data(), size, path));
  bytes.resize(got);
  return bytes;
}

Result<Secret> read_all_secret(int fd, const std::string& path, std::size_t limit) {
  PGCERTD_TRY(const std::size_t size, size_of_regular(fd, path, limit));
  Secret bytes = Secret::with_size(size);
  PGCERTD_TRY(const std::size_t got, read_fully(fd, bytes.data(), size, path));
  bytes.truncate(got);
  return bytes;
}

Result<std::string> read_file(const Directory& directory, const std::string& name, std::size_t limit) {
  // O_NONBLOCK: a FIFO must not hold the daemon.
  PGCERTD_TRY(const UniqueFd fd, directory.open_file(name, O_RDONLY | O_NONBLOCK));
  return read_all(fd.get(), directory.path_of(name), limit);
}

Result<Secret> read_secret(const Directory& directory, const std::string& name, std::size_t limit) {
  PGCERTD_TRY(const UniqueFd fd, directory.open_file(name, O_RDONLY | O_NONBLOCK));
  return read_all_secret(fd.get(), directory.path_of(name), limit);
}

Result<void> write_new_file(const Directory& directory, const std::string& name, std::string_view bytes, const NewFile& as) {
  const std::string path = directory.path_of(name);
  PGCERTD_TRY(const UniqueFd fd, directory.open_file(name, O_WRONLY | O_CREAT | O_EXCL, 0600));
  PGCERTD_CHECK(write_fully(fd.get(), bytes, path));
  PGCERTD_CHECK(settle(fd.get(), as, path));
  return sync_file(fd.get(), path);   // with its owner, which must be there after a power cut, too
}

Result<void> overwrite(int fd, const std::string& path) {
  struct stat seen {};
  if (::fstat(fd, &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode) || seen.st_nlink != 0) return {};
  return write_zeros(fd, std::min(static_cast<std::size_t>(seen.st_size), key_limit), path);
}

Result<void> remove_directory(const Directory& parent, const std::string& name, const std::string& secret) {
  const auto directory = parent.child(name);
  if (!directory) return directory.error().code == Errc::not_found ? Result<void>{} : fail(directory.error());
  Result<void> wiped = wipe(*directory, secret);
  PGCERTD_CHECK(unlink_all(*directory));
  if (::unlinkat(parent.fd(), name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    return fail(errno_error("unlinkat", directory->path(), errno));
  PGCERTD_CHECK(parent.sync());
  return within(std::move(wiped), "the key was removed, but not overwritten");
}

}  // namespace pgcertd::files
