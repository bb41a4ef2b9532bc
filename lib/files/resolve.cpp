#include "files/resolve.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <deque>

#include "files/directory.hpp"

namespace pgcertd::files {
namespace {

constexpr int most_links = 40;       // MAXSYMLINKS
constexpr std::size_t most_components = 4096;

struct Level {
  UniqueFd fd;
  std::string name;
  struct stat seen {};
};

struct Walk {
  const std::string& asked;
  std::deque<std::string> ahead{};
  std::vector<Level> stack{};             // stack.front() is /
  std::vector<FileSeen> passed{};
  int links = 0;

  [[nodiscard]] std::string here(const std::string& name = {}) const {
    std::string path;
    for (std::size_t i = 1; i < stack.size(); ++i) path += "/" + stack[i].name;
    return name.empty() ? (path.empty() ? "/" : path) : path + "/" + name;
  }
};

void put_ahead(Walk& walk, std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto slash = text.find('/');
    if (const auto part = text.substr(0, slash); !part.empty() && part != ".") parts.emplace_back(part);
    text = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
  }
  walk.ahead.insert(walk.ahead.begin(), parts.begin(), parts.end());
}

Result<void> to_root(Walk& walk) {
  Level root{.fd = UniqueFd(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)), .name = {}, .seen = {}};
  if (!root.fd || ::fstat(root.fd.get(), &root.seen) != 0) return fail(errno_error("open", "/", errno));
  walk.stack.clear();
  walk.passed.push_back(file_seen("/", root.seen));
  walk.stack.push_back(std::move(root));
  return {};
}

Result<void> follow(Walk& walk, const Level& link) {
  const std::string path = walk.here(link.name);
  if (link.seen.st_uid != 0 && link.seen.st_uid != ::geteuid())
    return fail(
        Errc::refused,
        fmt::format("\"{}\" is a symbolic link of uid {}: only those of root and of pgcertd are followed", path, link.seen.st_uid),
        fmt::format("chown -h root {}, or name the file itself", path));
  if (++walk.links > most_links) return fail(errno_error("resolve", walk.asked, ELOOP));
  std::array<char, PATH_MAX> target{};
  const ssize_t size = ::readlinkat(link.fd.get(), "", target.data(), target.size());
  if (size <= 0) return fail(errno_error("readlinkat", path, size == 0 ? ENOENT : errno));
  if (target[0] == '/') PGCERTD_CHECK(to_root(walk));
  put_ahead(walk, {target.data(), static_cast<std::size_t>(size)});
  if (walk.ahead.size() > most_components) return fail(errno_error("resolve", walk.asked, ENAMETOOLONG));
  return {};
}

Result<Level> look(const Walk& walk, const std::string& name) {
  Level level{.fd = UniqueFd(::openat(walk.stack.back().fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)),
              .name = name,
              .seen = {}};
  if (!level.fd) return fail(errno_error("openat", walk.here(name), errno));
  if (::fstat(level.fd.get(), &level.seen) != 0) return fail(errno_error("fstat", walk.here(name), errno));
  return level;
}

// `last`: what the path names, its directories being on the stack.
Resolved result_of(Walk& walk, Level last) {
  Resolved out;
  out.path = walk.here(last.name);
  for (const Level& level : walk.stack) out.inside.push_back(level.seen);
  out.name = std::move(last.name);
  out.seen = last.seen;
  out.parent = std::move(walk.stack.back().fd);
  out.passed = std::move(walk.passed);
  return out;
}

}  // namespace

Result<Resolved> resolve(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos)
    return fail(Errc::invalid, fmt::format("\"{}\" is no absolute path", path));
  Walk walk{path};
  PGCERTD_CHECK(to_root(walk));
  put_ahead(walk, path);
  while (!walk.ahead.empty()) {
    const std::string name = std::move(walk.ahead.front());
    walk.ahead.pop_front();
    if (name == "..") {
      if (walk.stack.size() > 1) walk.stack.pop_back();
      continue;
    }
    PGCERTD_TRY(Level level, look(walk, name));
    if (S_ISLNK(level.seen.st_mode)) {
      PGCERTD_CHECK(follow(walk, level));
    } else if (S_ISDIR(level.seen.st_mode)) {
      walk.passed.push_back(file_seen(walk.here(name), level.seen));
      walk.stack.push_back(std::move(level));
    } else if (walk.ahead.empty()) {
      return result_of(walk, std::move(level));
    } else {
      return fail(errno_error("openat", walk.here(name), ENOTDIR));
    }
  }
  if (walk.stack.size() == 1) return fail(Errc::invalid, fmt::format("\"{}\" is the root directory", path));
  Level last = std::move(walk.stack.back());          // a directory is a result as well
  walk.stack.pop_back();
  return result_of(walk, std::move(last));
}

Result<UniqueFd> open_resolved(const Resolved& file) {
  // Before it is opened: opening a device may already do something.
  if (!S_ISREG(file.seen.st_mode)) return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", file.path));
  UniqueFd fd(::openat(file.parent.get(), file.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd) return fail(errno_error("openat", file.path, errno));
  struct stat opened {};
  if (::fstat(fd.get(), &opened) != 0) return fail(errno_error("fstat", file.path, errno));
  if (!same_file(opened, file.seen)) return fail(Errc::busy, fmt::format("\"{}\" was replaced while it was opened", file.path));
  return fd;
}

}  // namespace pgcertd::files
