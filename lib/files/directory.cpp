#include "files/directory.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>

namespace pgcertd::files {
namespace {

constexpr mode_t permission_bits = 07777;

struct DirCloser {
  void operator()(DIR* stream) const noexcept { ::closedir(stream); }
};

bool is_one_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

// glibc 2.36 has no openat2. Without the call (old kernel, or a filter that answers EPERM) O_NOFOLLOW does the same for the
// one name that is ever passed.
int open_beneath(int directory, const std::string& name, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<__u64>(flags | O_NOFOLLOW | O_CLOEXEC);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long opened = ::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how);
  if (opened >= 0 || (errno != ENOSYS && errno != EPERM)) return static_cast<int>(opened);
  return ::openat(directory, name.c_str(), flags | O_NOFOLLOW | O_CLOEXEC, mode);
}

Result<struct stat> status_of(int fd, const std::string& path) {
  struct stat seen {};
  if (::fstat(fd, &seen) != 0) return fail(errno_error("fstat", path, errno));
  return seen;
}

// A crash between mkdir and chmod, or a hand, may have left other bits. Where that cannot be helped (read-only file system),
// the judgement of the parents says so.
void fit_mode(int fd, const struct stat& seen, mode_t mode) {
  const mode_t has = seen.st_mode & permission_bits;
  const mode_t wanted = (has | mode) & ~mode_t{022};
  if (seen.st_uid == ::geteuid() && wanted != has && ::fchmod(fd, wanted) == 0) (void)::fsync(fd);
}

}  // namespace

Result<Directory> Directory::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) {
    Error error = errno_error("open", path, errno);
    if (error.code == Errc::not_found) error.remedy = fmt::format("install -d -m 0711 -o pgcertd {}", path);
    return fail(std::move(error));
  }
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::same(int parent_fd, const std::string& name, const std::string& path, const struct stat& found) {
  UniqueFd fd(::openat(parent_fd, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(errno_error("openat", path, errno));
  PGCERTD_TRY(const struct stat seen, status_of(fd.get(), path));
  if (!same_file(seen, found)) return fail(Errc::busy, fmt::format("\"{}\" was replaced while it was opened", path));
  return Directory(std::move(fd), path);
}

Result<Directory> Directory::child(const std::string& name) const {
  PGCERTD_TRY(UniqueFd fd, open_file(name, O_RDONLY | O_DIRECTORY));
  std::string path = path_of(name);
  PGCERTD_TRY(const struct stat seen, status_of(fd.get(), path));
  const uid_t own = ::geteuid();
  if (own != 0 && seen.st_uid != own && seen.st_uid != 0)
    return fail(Errc::refused,
                fmt::format("directory \"{}\" belongs to uid {}, neither to pgcertd (uid {}) nor to root", path, seen.st_uid, own),
                fmt::format("look who made it, then chown -R pgcertd {}", path));
  return Directory(std::move(fd), std::move(path));
}

Result<Directory> Directory::child_made(const std::string& name, mode_t mode) const {
  auto there = child(name);
  if (!there && there.error().code == Errc::not_found) {
    if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno_error("mkdirat", path_of(name), errno));
    PGCERTD_CHECK(sync());
    there = child(name);
  }
  if (!there) return there;
  PGCERTD_TRY(const struct stat seen, status_of(there->fd(), there->path()));
  fit_mode(there->fd(), seen, mode);
  return there;
}

Result<Directory> Directory::new_child(const std::string& name) const {
  if (!is_one_name(name)) return fail(Errc::invalid, fmt::format("\"{}\" is no name of a directory", name));
  if (::mkdirat(fd_.get(), name.c_str(), 0700) != 0) return fail(errno_error("mkdirat", path_of(name), errno));
  return child(name);
}

Result<std::vector<std::string>> Directory::names() const {
  const int own = ::openat(fd_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);   // an offset of its own
  if (own < 0) return fail(errno_error("openat", path_, errno));
  const std::unique_ptr<DIR, DirCloser> stream(::fdopendir(own));
  if (!stream) {
    const int saved_errno = errno;
    ::close(own);
    return fail(errno_error("fdopendir", path_, saved_errno));
  }
  std::vector<std::string> out;
  errno = 0;
  while (const dirent* entry = ::readdir(stream.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") out.push_back(std::move(name));
  }
  if (errno != 0) return fail(errno_error("readdir", path_, errno));
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::optional<struct stat>> Directory::status(const std::string& name) const {
  struct stat seen {};
  if (::fstatat(fd_.get(), name.c_str(), &seen, AT_SYMLINK_NOFOLLOW) == 0) return std::optional{seen};
  if (errno == ENOENT) return std::optional<struct stat>{};
  return fail(errno_error("fstatat", path_of(name), errno));
}

Result<UniqueFd> Directory::open_file(const std::string& name, int flags, mode_t mode) const {
  if (!is_one_name(name)) return fail(Errc::invalid, fmt::format("\"{}\" is no name of a file", name));
  UniqueFd fd(open_beneath(fd_.get(), name, flags, mode));
  if (!fd) return fail(errno_error("openat", path_of(name), errno));
  return fd;
}

Result<std::optional<std::string>> Directory::link_target(const std::string& name) const {
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(fd_.get(), name.c_str(), target.data(), target.size());
  if (size >= 0) return std::optional{std::string(target.data(), static_cast<std::size_t>(size))};
  if (errno == ENOENT || errno == EINVAL) return std::optional<std::string>{};
  return fail(errno_error("readlinkat", path_of(name), errno));
}

Result<void> Directory::sync() const {
  if (::fsync(fd_.get()) != 0) return fail(errno_error("fsync", path_, errno));
  return {};
}

Result<void> Directory::rename(const std::string& from, const std::string& to) const {
  if (::renameat(fd_.get(), from.c_str(), fd_.get(), to.c_str()) != 0) return fail(errno_error("renameat", path_of(to), errno));
  return {};
}

Result<void> Directory::set_link(const std::string& name, const std::string& target) const {
  const std::string fresh = "." + name + "-new";      // one fixed name, so that crashes leave one link at most
  if (::unlinkat(fd_.get(), fresh.c_str(), 0) != 0 && errno != ENOENT) return fail(errno_error("unlinkat", path_of(fresh), errno));
  if (::symlinkat(target.c_str(), fd_.get(), fresh.c_str()) != 0) return fail(errno_error("symlinkat", path_of(fresh), errno));
  if (auto renamed = rename(fresh, name); !renamed) {
    (void)::unlinkat(fd_.get(), fresh.c_str(), 0);     // the rename's failure is what is told
    return renamed;
  }
  return sync();
}

Result<void> Directory::open_to_group(const ServerIdentity& server) const {
  PGCERTD_TRY(const struct stat seen, status_of(fd_.get(), path_));
  constexpr mode_t mode = 0750;
  const bool give = server.uid != ::geteuid() && seen.st_gid != server.gid, open = (seen.st_mode & permission_bits) != mode;
  if (give && ::fchown(fd_.get(), static_cast<uid_t>(-1), server.gid) != 0)
    return fail(needs_chown(errno_error("fchown", path_, errno)));
  if (open && ::fchmod(fd_.get(), mode) != 0) return fail(errno_error("fchmod", path_, errno));
  return give || open ? sync() : Result<void>{};
}

FileSeen file_seen(std::string path, const std::optional<struct stat>& status) {
  FileSeen seen;
  seen.path = std::move(path);
  if (!status) return seen;
  seen.kind = S_ISREG(status->st_mode)   ? FileSeen::Kind::regular
              : S_ISDIR(status->st_mode) ? FileSeen::Kind::directory
                                         : FileSeen::Kind::other;
  seen.uid = status->st_uid;
  seen.gid = status->st_gid;
  seen.mode = status->st_mode & permission_bits;
  seen.size = static_cast<std::uint64_t>(status->st_size);
  seen.links = static_cast<std::uint32_t>(status->st_nlink);
  seen.modified = TimePoint{std::chrono::seconds{status->st_mtim.tv_sec} + Duration{status->st_mtim.tv_nsec / 1'000'000}};
  return seen;
}

bool same_file(const struct stat& a, const struct stat& b) noexcept { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

Result<void> set_mode(int path_fd, mode_t mode, const std::string& path) {
  // fchmod refuses O_PATH descriptors, and fchmodat follows links: the descriptor's own entry in /proc is neither.
  const std::string entry = fmt::format("/proc/self/fd/{}", path_fd);
  if (::chmod(entry.c_str(), mode) != 0) return fail(errno_error("chmod", path, errno));
  return {};
}

Error needs_chown(Error error) {
  if (error.code == Errc::permission)
    error.remedy = "give pgcertd CAP_CHOWN and CAP_FOWNER, as its systemd unit does, or run it as the server's own user";
  return error;
}

}  // namespace pgcertd::files
