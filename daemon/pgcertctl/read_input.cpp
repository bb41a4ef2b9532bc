#include "pgcertctl/read_input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::ctl {
namespace {

Result<std::string> read_all(int fd, const std::string& name) {
  std::string bytes;
  std::array<char, 65536> block;
  for (;;) {
    const ssize_t got = read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(errno_error("read", printable(name), errno));
    if (got == 0) return bytes;
    bytes.append(block.data(), static_cast<std::size_t>(got));
    if (bytes.size() > largest_input)
      return fail(Errc::invalid,
                  fmt::format("\"{}\" has more than {} MiB: no TLS file is that large", printable(name), largest_input >> 20U));
  }
}

}  // namespace

Result<std::string> read_input(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input");
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail(errno_error("open", printable(path), errno));
  return read_all(fd.get(), path);
}

}  // namespace pgcertd::ctl
