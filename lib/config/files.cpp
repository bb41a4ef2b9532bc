// read_config_files(): the only place of this room that touches the disk.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "base/unique_fd.hpp"
#include "config/load.hpp"

namespace pgcertd {
namespace {

constexpr std::size_t largest_file = 4U * 1024 * 1024;

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { (void)::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

tl::unexpected<Error> failed(const char* call, const std::string& path, std::string remedy) {
  Error error = errno_error(call, path, errno);
  error.remedy = std::move(remedy);
  return fail(std::move(error));
}

Result<ConfigFile> read_file(const std::string& path) {
  // Not blocking: a FIFO of this name must not hold up the daemon.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failed("open", path, "name the configuration with --config, and let pgcertd's user read it");
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return failed("fstat", path, {});
  if (!S_ISREG(facts.st_mode))
    return fail(Errc::invalid, fmt::format("\"{}\" is no regular file", path), "put a TOML file there, or remove it");
  ConfigFile out{.name = path, .bytes = {}};
  for (std::size_t filled = 0;;) {
    if (filled > largest_file)
      return fail(Errc::invalid, fmt::format("\"{}\" is larger than 4 MiB", path), "it is no configuration of pgcertd");
    out.bytes.resize(filled + 65536);
    const ssize_t got = ::read(fd.get(), out.bytes.data() + filled, out.bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path, {});
    filled += static_cast<std::size_t>(got);
    if (got == 0) {
      out.bytes.resize(filled);
      return out;
    }
  }
}

// Paths of *.toml in name order, without hidden ones, as a shell's pattern finds them.
Result<std::vector<std::string>> drop_ins(const std::string& directory) {
  std::vector<std::string> out;
  const Directory opened(::opendir(directory.c_str()));
  if (!opened && errno == ENOENT) return out;
  if (!opened) return failed("opendir", directory, "let pgcertd's user read it, or remove it");
  errno = 0;
  while (const dirent* entry = ::readdir(opened.get())) {
    const std::string name(entry->d_name);
    if (name.ends_with(".toml") && !name.starts_with('.')) out.push_back(fmt::format("{}/{}", directory, name));
    errno = 0;
  }
  if (errno != 0) return failed("readdir", directory, {});
  std::ranges::sort(out);
  return out;
}

}  // namespace

Result<std::vector<ConfigFile>> read_config_files(const std::string& main_path) {
  std::vector<ConfigFile> out;
  PGCERTD_TRY(out.emplace_back(), read_file(main_path));
  const auto slash = main_path.rfind('/');
  PGCERTD_TRY(const auto paths, drop_ins((slash == std::string::npos ? "" : main_path.substr(0, slash + 1)) + "conf.d"));
  for (const auto& path : paths) {
    PGCERTD_TRY(out.emplace_back(), read_file(path));
  }
  return out;
}

}  // namespace pgcertd
