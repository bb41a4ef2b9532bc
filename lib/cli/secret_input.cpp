#include "cli/secret_input.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/fd_io.hpp"
#include "base/text.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::cli {
namespace {

constexpr std::size_t longest_secret = 4096;

Result<void> judge_file(int fd, const std::string& path) {
  struct stat seen = {};
  if (fstat(fd, &seen) != 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode) && !S_ISFIFO(seen.st_mode))
    return fail(Errc::invalid, fmt::format("\"{}\" is neither a file nor a pipe", printable(path)));
  if (seen.st_uid != geteuid() && seen.st_uid != 0)
    return fail(Errc::refused, fmt::format("\"{}\" belongs to user {}, who knows the secret in it", printable(path), seen.st_uid),
                fmt::format("chown it to the user who runs this, or to root: {}", printable(path)));
  if (S_ISREG(seen.st_mode) && (seen.st_mode & 077U) != 0)
    return fail(Errc::refused,
                fmt::format("\"{}\" has mode {:04o}: others may read or change it", printable(path), seen.st_mode & 07777U),
                fmt::format("chmod 600 {}", printable(path)));
  return {};
}

Result<Secret> read_all(int fd, const std::string& path) {
  Secret bytes = Secret::with_size(longest_secret + 3);  // room for a line end, and for one byte too many
  PGCERTD_TRY(std::size_t used, read_fully(fd, bytes.data(), bytes.size(), path));
  if (used > 0 && bytes.data()[used - 1] == '\n') --used;
  if (used > 0 && bytes.data()[used - 1] == '\r') --used;
  if (used > longest_secret)
    return fail(Errc::invalid, fmt::format("\"{}\" is longer than {} bytes: no passphrase", printable(path), longest_secret));
  if (used == 0) return fail(Errc::invalid, fmt::format("\"{}\" is empty: no passphrase", printable(path)));
  bytes.truncate(used);
  return bytes;
}

Result<Secret> read_file(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail(errno_error("open", path, errno));
  PGCERTD_CHECK(judge_file(fd.get(), path));
  return read_all(fd.get(), path);
}

}  // namespace

Result<SecretSource> parse_secret_source(std::string_view text) {
  const auto rest_after = [&](std::string_view prefix) { return std::string(text.substr(prefix.size())); };
  SecretSource source;
  if (text.starts_with("file:")) source = {SecretSource::Kind::file, rest_after("file:")};
  if (text.starts_with("credential:")) source = {SecretSource::Kind::credential, rest_after("credential:")};
  if (source.name.empty())  // what was given is not repeated: it may be the passphrase itself
    return fail(Errc::invalid, "a passphrase is given as file:PATH or credential:NAME, never as itself");
  if (source.kind == SecretSource::Kind::credential && (source.name.find('/') != std::string::npos || source.name[0] == '.'))
    return fail(Errc::invalid, fmt::format("\"{}\" is no name of a credential", printable(source.name)));
  return source;
}

Result<Secret> read_secret(const SecretSource& source, const std::string& credentials_directory) {
  if (source.kind == SecretSource::Kind::file) return within(read_file(source.name), "reading the passphrase");
  if (credentials_directory.empty())
    return fail(Errc::not_found, fmt::format("credential \"{}\": CREDENTIALS_DIRECTORY is not set", printable(source.name)),
                "credentials exist in a unit of systemd; elsewhere use file:PATH");
  return within(read_file(credentials_directory + "/" + source.name), "reading the passphrase");
}

}  // namespace pgcertd::cli
