#include "ca/new_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/unique_fd.hpp"
#include "ca/durable_file.hpp"

namespace pgcertd::ca {
namespace {

Error occupied(const std::string& target) {
  return make_error(Errc::exists, fmt::format("\"{}\" is there and is not an empty directory", target),
                    "name another directory; pgcertd never overwrites a CA");
}

Result<void> change_owner(const std::string& directory, uid_t uid, gid_t gid) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail(errno_error("open", directory, errno));
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    const std::string name = entry.path().filename();
    if (::fchownat(fd.get(), name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return fail(errno_error("fchownat", name, errno));
  }
  if (error) return fail(errno_error("readdir", directory, error.value()));
  // Last: until here nobody else could put anything into it.
  if (::fchown(fd.get(), uid, gid) != 0) return fail(errno_error("fchown", directory, errno));
  return {};
}

}  // namespace

Result<void> NewDirectory::check_free(const std::string& target) {
  struct stat seen {};
  if (::lstat(target.c_str(), &seen) != 0) {
    if (errno != ENOENT) return fail(errno_error("lstat", target, errno));
    const std::string parent = parent_of(target);
    if (::stat(parent.c_str(), &seen) != 0)
      return fail([&] {
        Error error = errno_error("stat", parent, errno);
        error.remedy = fmt::format("make the directory \"{}\" first", parent);
        return error;
      }());
    return {};
  }
  std::error_code error;
  const bool empty = S_ISDIR(seen.st_mode) && std::filesystem::is_empty(target, error);
  if (error) return fail(errno_error("readdir", target, error.value()));
  if (!empty) return fail(occupied(target));
  return {};
}

Result<NewDirectory> NewDirectory::make(const std::string& target) {
  PGCERTD_CHECK(check_free(target));
  std::string path = target + ".new-XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return fail(errno_error("mkdtemp", path, errno));
  return NewDirectory(target, path);
}

NewDirectory::NewDirectory(NewDirectory&& other) noexcept
    : target_(std::move(other.target_)), path_(std::exchange(other.path_, std::string())) {}

NewDirectory::~NewDirectory() {
  std::error_code ignored;                             // nobody is left to be told
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Result<void> NewDirectory::give_to_owner_of_place() {
  if (::geteuid() != 0) return {};
  struct stat place {};
  if (::lstat(target_.c_str(), &place) != 0 && ::stat(parent_of(target_).c_str(), &place) != 0)
    return fail(errno_error("stat", parent_of(target_), errno));
  return place.st_uid == 0 ? Result<void>() : change_owner(path_, place.st_uid, place.st_gid);
}

Result<void> NewDirectory::publish() {
  PGCERTD_CHECK(sync_directory(path_));
  // Replaces an empty directory, and nothing else.
  if (::rename(path_.c_str(), target_.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) return fail(occupied(target_));
    Error error = errno_error("rename", target_, errno);
    if (error.sys_errno == EBUSY) error.remedy = "it is a mount point: name a new directory below it";
    return fail(std::move(error));
  }
  path_ = target_;
  return sync_directory(parent_of(target_));
}

}  // namespace pgcertd::ca
