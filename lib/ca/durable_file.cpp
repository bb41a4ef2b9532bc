#include "ca/durable_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/fd_io.hpp"
#include "base/unique_fd.hpp"
#include "core/cert.hpp"

namespace pgcertd::ca {
namespace {

Result<UniqueFd> open_regular(const std::string& path, std::size_t& size) {
  // O_NONBLOCK: a FIFO that somebody put there must not hold the daemon.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail(errno_error("open", path, errno));
  struct stat seen {};
  if (::fstat(fd.get(), &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", path));
  size = static_cast<std::size_t>(seen.st_size);
  if (size > largest_crl) return fail(Errc::invalid, fmt::format("\"{}\" is larger than {} MiB", path, largest_crl >> 20U));
  return fd;
}

// 0600 until the content is whole, then the mode that was asked for, whatever the umask.
Result<void> fill(int fd, std::string_view bytes, mode_t mode, const std::string& path) {
  PGCERTD_CHECK(write_fully(fd, bytes, path));
  if (mode != 0600 && ::fchmod(fd, mode) != 0) return fail(errno_error("fchmod", path, errno));
  if (::fsync(fd) != 0) return fail(errno_error("fsync", path, errno));
  return {};
}

// `name`: what errors say, which is the file that is meant in the end.
Result<UniqueFd> make_exclusive(const std::string& path, const std::string& name) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  return fd ? Result<UniqueFd>(std::move(fd)) : fail(errno_error("open", name, errno));
}

Result<void> write_exclusive(const std::string& path, const std::string& name, std::string_view bytes, mode_t mode) {
  PGCERTD_TRY(const UniqueFd fd, make_exclusive(path, name));
  Result<void> filled = fill(fd.get(), bytes, mode, name);
  if (!filled) (void)::unlink(path.c_str());           // the failure itself is what is told
  return filled;
}

// One fixed name, so that crashes leave one file at most.
std::string fresh_name(const std::string& path) { return path + ".new"; }

// What a rename would take away and nobody means to lose: /dev/stdout, a directory, somebody's link.
Result<void> check_place(const std::string& path) {
  struct stat seen {};
  if (::lstat(path.c_str(), &seen) != 0 || S_ISREG(seen.st_mode)) return {};   // what else is wrong is told by who opens
  return fail(Errc::refused, fmt::format("\"{}\" is no regular file, and is not replaced", path), "name a file, or one that is not there yet");
}

Result<void> clear_place(const std::string& path) {
  PGCERTD_CHECK(check_place(path));
  const std::string fresh = fresh_name(path);
  if (::unlink(fresh.c_str()) == 0 || errno == ENOENT) return {};
  const bool in_the_way = errno == EISDIR || errno == EPERM;   // else nothing could be made there under any name
  return fail(in_the_way ? errno_error("unlink", fresh, errno) : errno_error("open", path, errno));
}

// A full disk would take the name of a file and nothing more.
Result<void> reserve(int fd, const std::string& path) {
  constexpr off_t enough = 256L << 10U;   // some hundred certificates
  const int error = ::posix_fallocate(fd, 0, enough);
  return error == ENOSPC || error == EDQUOT ? fail(errno_error("write", path, error)) : Result<void>{};
}

// Room for a large CRL in huge pages where the kernel has them: to be given it in small ones takes longer than to read the file.
std::string room_for(std::size_t size) {
  constexpr std::uintptr_t huge = 2U << 20U;
  std::string room;
  room.reserve(size);
  // From the first whole page on.
  const std::size_t before = (huge - reinterpret_cast<std::uintptr_t>(room.data()) % huge) % huge, whole = size > before ? (size - before) / huge * huge : 0;
  if (whole > 0) (void)::madvise(room.data() + before, whole, MADV_HUGEPAGE);   // a wish: without it all goes on as well
  room.resize(size);
  return room;
}

}  // namespace

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Result<std::string> read_file(const std::string& path) {
  std::size_t size = 0;
  PGCERTD_TRY(const UniqueFd fd, open_regular(path, size));
  std::string bytes = room_for(size);
  PGCERTD_TRY(const std::size_t got, read_fully(fd.get(), bytes.data(), size, path));
  bytes.resize(got);
  return bytes;
}

Result<Secret> read_secret_file(const std::string& path) {
  std::size_t size = 0;
  PGCERTD_TRY(const UniqueFd fd, open_regular(path, size));
  Secret bytes = Secret::with_size(size);
  PGCERTD_TRY(const std::size_t got, read_fully(fd.get(), bytes.data(), size, path));
  bytes.truncate(got);
  return bytes;
}

Result<void> sync_directory(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(errno_error("open", path, errno));
  if (::fsync(fd.get()) != 0) return fail(errno_error("fsync", path, errno));
  return {};
}

Result<void> write_new_file(const std::string& path, std::string_view bytes, mode_t mode) {
  PGCERTD_CHECK(write_exclusive(path, path, bytes, mode));
  return sync_directory(parent_of(path));
}

Result<void> check_replaceable(const std::string& path) {
  PGCERTD_CHECK(clear_place(path));
  const std::string fresh = fresh_name(path);
  PGCERTD_TRY(const UniqueFd fd, make_exclusive(fresh, path));
  Result<void> roomy = reserve(fd.get(), path);
  if (::unlink(fresh.c_str()) != 0 && roomy) return fail(errno_error("unlink", fresh, errno));
  return roomy;
}

Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode) {
  PGCERTD_CHECK(clear_place(path));
  const std::string fresh = fresh_name(path);
  // A failed fsync is never repeated on the same file.
  PGCERTD_CHECK(write_exclusive(fresh, path, bytes, mode));
  if (::rename(fresh.c_str(), path.c_str()) != 0) {
    const int saved_errno = errno;
    (void)::unlink(fresh.c_str());                     // the failure itself is what is told
    return fail(errno_error("rename", path, saved_errno));
  }
  return sync_directory(parent_of(path));
}

}  // namespace pgcertd::ca
