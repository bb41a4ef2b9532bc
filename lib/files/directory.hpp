// Directory: an open directory. Everything below it is reached by descriptor and by one name at a time, and a symbolic
// link is never followed. Any thread; one object a thread.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "core/permissions.hpp"

namespace pgcertd::files {

class Directory {
 public:
  // By path, links included: for the one directory that the configuration names.
  static Result<Directory> open(const std::string& path);
  // The directory that was found as `name` of `parent_fd`, still the same one; whoever owns it.
  static Result<Directory> same(int parent_fd, const std::string& name, const std::string& path, const struct stat& found);
  // Refused when it belongs to somebody else than us or root, who could replace what is in it.
  [[nodiscard]] Result<Directory> child(const std::string& name) const;
  // Made where it is missing. Bits of `mode` that it lacks are added, and write permission of others is taken away.
  [[nodiscard]] Result<Directory> child_made(const std::string& name, mode_t mode) const;
  // Must not be there yet; 0700.
  [[nodiscard]] Result<Directory> new_child(const std::string& name) const;

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string path_of(const std::string& name) const { return path_ + "/" + name; }

  [[nodiscard]] Result<std::vector<std::string>> names() const;              // without "." and "..", sorted
  [[nodiscard]] Result<std::optional<struct stat>> status(const std::string& name) const;   // of a link: its own
  [[nodiscard]] Result<UniqueFd> open_file(const std::string& name, int flags, mode_t mode = 0) const;
  [[nodiscard]] Result<std::optional<std::string>> link_target(const std::string& name) const;   // none: missing, or no link

  [[nodiscard]] Result<void> sync() const;
  [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) const;
  // Makes the link `name` or replaces it by one rename; durable.
  [[nodiscard]] Result<void> set_link(const std::string& name, const std::string& target) const;
  // 0750 for the group of `server`, when the server is not our own user; durable.
  [[nodiscard]] Result<void> open_to_group(const ServerIdentity& server) const;

 private:
  Directory(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  UniqueFd fd_;
  std::string path_;
};

FileSeen file_seen(std::string path, const std::optional<struct stat>& status);
bool same_file(const struct stat& a, const struct stat& b) noexcept;
// chmod of what an O_PATH descriptor stands for, whoever may read it.
Result<void> set_mode(int path_fd, mode_t mode, const std::string& path);
// Says what helps when the kernel refused to change an owner.
Error needs_chown(Error error);

}  // namespace pgcertd::files
