#include "service/credentials.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/fd_io.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::service {
namespace {

constexpr std::size_t largest = 64 * 1024;

Result<UniqueFd> open_regular(const std::string& path, struct stat& seen) {
  // O_NONBLOCK: a FIFO that stands there must not hold the daemon.
  UniqueFd fd{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (!fd) return fail(errno_error("open", path, errno));
  if (fstat(fd.get(), &seen) < 0) return fail(errno_error("fstat", path, errno));
  if (!S_ISREG(seen.st_mode)) return fail(Errc::invalid, fmt::format("secret \"{}\": not a regular file", path));
  return fd;
}

Result<void> check_protection(const std::string& path, const struct stat& seen) {
  if (seen.st_uid != 0 && seen.st_uid != geteuid())
    return fail(Errc::permission, fmt::format("secret \"{}\": belongs to uid {}, neither to root nor to us", path, seen.st_uid),
                fmt::format("chown {} '{}'", geteuid(), path));
  if ((seen.st_mode & 077U) != 0)
    return fail(Errc::permission, fmt::format("secret \"{}\": mode {:04o} lets group or others at it", path, seen.st_mode & 07777U),
                fmt::format("chmod 0600 '{}'", path));
  return {};
}

Result<Secret> read_whole(const std::string& path, int fd) {
  Secret secret = Secret::with_size(largest + 1);
  PGCERTD_TRY(std::size_t size, read_fully(fd, secret.data(), secret.size(), path));
  if (size > largest) return fail(Errc::invalid, fmt::format("secret \"{}\": larger than {} bytes", path, largest));
  if (size > 0 && secret.view()[size - 1] == '\n') --size;
  if (size == 0) return fail(Errc::invalid, fmt::format("secret \"{}\": is empty", path));
  secret.truncate(size);
  return secret;
}

Result<Secret> read_file(const std::string& path) {
  struct stat seen {};
  PGCERTD_TRY(const UniqueFd fd, open_regular(path, seen));
  PGCERTD_CHECK(check_protection(path, seen));
  return read_whole(path, fd.get());
}

Result<Secret> read_credential(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    return fail(Errc::invalid, fmt::format("credential \"{}\": not a name of a credential", name));
  const std::string remedy = fmt::format("LoadCredential={}:PATH or LoadCredentialEncrypted= in a drop-in of the unit", name);
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0')
    return fail(Errc::not_found, fmt::format("credential \"{}\": CREDENTIALS_DIRECTORY is not set", name), remedy);
  const std::string path = fmt::format("{}/{}", directory, name);
  struct stat seen {};
  auto fd = open_regular(path, seen);
  if (!fd) {
    Error error = std::move(fd).error();
    if (error.code == Errc::not_found) error.remedy = remedy;
    return fail(std::move(error));
  }
  return read_whole(path, fd->get());
}

}  // namespace

Result<Secret> read_secret(const SecretSource& source) {
  switch (source.kind) {
    case SecretSource::Kind::file: return read_file(source.name);
    case SecretSource::Kind::credential: return read_credential(source.name);
    case SecretSource::Kind::none: break;
  }
  return fail(Errc::invalid, "read_secret: no source is configured");
}

}  // namespace pgcertd::service
