#include "postgres/conf_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>

#include "base/fd_io.hpp"
#include "postgres/conf_text.hpp"

namespace pgcertd::postgres {
namespace {

constexpr const char* own_name = "pgcertd.conf";
constexpr const char* temporary_name = ".pgcertd.conf.new";   // PostgreSQL reads no file whose name begins with a dot

struct DirectoryClose {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};

Result<std::string> read_fd(int fd, const std::string& path, std::size_t limit) {
  struct stat seen {};
  if (fstat(fd, &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", path));
  std::string out;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", path, errno));
    if (got == 0) return out;
    out.append(buffer, static_cast<std::size_t>(got));
    if (out.size() > limit) return fail(Errc::invalid, fmt::format("\"{}\" is larger than {} bytes", path, limit));
  }
}

// `directory` as a path relative to the first allowed directory that holds it.
std::optional<std::pair<std::string, std::string>> below_allowed(const std::string& directory, const std::vector<std::string>& allowed) {
  const auto path = std::filesystem::path(directory).lexically_normal();
  for (const auto& top : allowed) {
    const auto relative = path.lexically_relative(std::filesystem::path(top).lexically_normal());
    if (!relative.empty() && *relative.begin() != "..") return std::pair{top, relative.string()};
  }
  return std::nullopt;
}

UniqueFd open_below(const std::string& top, const std::string& relative) {
  const UniqueFd base(open(top.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!base) return {};
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, base.get(), relative.c_str(), &how, sizeof how)));
}

}  // namespace

Result<std::string> read_text_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return fail(errno_error("open", path, errno));
  return read_fd(fd.get(), path, limit);
}

ConfFile::ConfFile(UniqueFd directory, std::string path, std::string cluster_directory)
    : directory_(std::move(directory)), path_(std::move(path)), cluster_directory_(std::move(cluster_directory)) {}

std::optional<ConfFile> ConfFile::find(const std::string& config_file, const std::vector<std::string>& names,
                                       const std::vector<std::string>& allowed, const std::string& cluster_directory) {
  if (config_file.empty() || allowed.empty()) return std::nullopt;
  const auto config = read_text_file(config_file);
  if (!config) return std::nullopt;
  const auto directory = winning_include_dir(parse_conf(*config), names);
  if (!directory) return std::nullopt;
  const std::string full = (std::filesystem::path(config_file).parent_path() / *directory).lexically_normal().string();
  const auto place = below_allowed(full, allowed);
  if (!place) return std::nullopt;
  UniqueFd fd = open_below(place->first, place->second);
  if (!fd || faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) return std::nullopt;
  ConfFile out(std::move(fd), full, cluster_directory);
  // A file of another cluster's pgcertd, or of a person, stays theirs.
  const auto text = out.text();
  if (!text || (!text->empty() && own_file_cluster(*text) != cluster_directory)) return std::nullopt;
  if (!out.is_last_word(names)) return std::nullopt;
  return out;
}

// PostgreSQL reads the directory's *.conf in the order of their names (C locale); a later one may not set the same.
bool ConfFile::is_last_word(const std::vector<std::string>& names) const {
  const int copy = openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, DirectoryClose> listing(copy < 0 ? nullptr : fdopendir(copy));
  if (!listing) return false;
  while (const dirent* entry = readdir(listing.get())) {
    const std::string_view name(entry->d_name);
    if (name.starts_with('.') || !name.ends_with(".conf") || name <= own_name) continue;
    const auto text = read_text_file(path_ + "/" + std::string(name));
    if (!text) return false;
    for (const auto& line : parse_conf(*text))
      if (line.name.starts_with("include") || std::ranges::find(names, line.name) != names.end()) return false;
  }
  return true;
}

Result<std::string> ConfFile::text() const {
  const UniqueFd fd(openat(directory_.get(), own_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::string();
  if (!fd) return fail(errno_error("openat", path_ + "/" + own_name, errno));
  return read_fd(fd.get(), path_ + "/" + own_name, 64U << 10);
}

Result<std::map<std::string, std::string>> ConfFile::read() const {
  PGCERTD_TRY(const auto content, text());
  return parse_own_file(content);
}

Result<void> ConfFile::apply(const SettingsChange& change) const {
  PGCERTD_TRY(const auto before, read());
  auto lines = before;
  for (const auto& [name, value] : change.values) {
    if (value) lines[name] = *value;
    else lines.erase(name);
  }
  if (lines == before) return {};
  if (!lines.empty()) {
    PGCERTD_TRY(const auto content, own_file_text(lines, cluster_directory_));
    PGCERTD_CHECK(replace(content));
  } else if (unlinkat(directory_.get(), own_name, 0) != 0 && errno != ENOENT) {
    return fail(errno_error("unlinkat", path_ + "/" + own_name, errno));
  }
  if (fsync(directory_.get()) != 0) return fail(errno_error("fsync", path_, errno));
  return {};
}

Result<void> ConfFile::replace(const std::string& content) const {
  const std::string shown = path_ + "/" + temporary_name;
  if (unlinkat(directory_.get(), temporary_name, 0) != 0 && errno != ENOENT) return fail(errno_error("unlinkat", shown, errno));
  const UniqueFd fd(openat(directory_.get(), temporary_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail(errno_error("openat", shown, errno));
  Result<void> written = write_fully(fd.get(), content, shown);
  // The server's user must read it, whatever our umask is; it holds no secret.
  if (written && fchmod(fd.get(), 0644) != 0) written = fail(errno_error("fchmod", shown, errno));
  if (written && fsync(fd.get()) != 0) written = fail(errno_error("fsync", shown, errno));
  if (written && renameat(directory_.get(), temporary_name, directory_.get(), own_name) != 0)
    written = fail(errno_error("renameat", shown, errno));
  if (!written) (void)unlinkat(directory_.get(), temporary_name, 0);   // the error that matters is the first
  return written;
}

}  // namespace pgcertd::postgres
