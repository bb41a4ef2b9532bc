#include "base/error.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <system_error>

namespace pgcertd {
namespace {

Errc errc_of(int saved_errno) {
  switch (saved_errno) {
    case ENOENT: case ENOTDIR: return Errc::not_found;
    case EACCES: case EPERM: return Errc::permission;
    case EEXIST: case ENOTEMPTY: return Errc::exists;
    case ENOSPC: case EDQUOT: return Errc::no_space;
    case EROFS: return Errc::read_only;
    case EBUSY: case EAGAIN: return Errc::busy;
    case ETIMEDOUT: return Errc::timeout;
    case ECONNREFUSED: case ECONNRESET: case EHOSTUNREACH: case ENETUNREACH: return Errc::network;
    case ECANCELED: return Errc::cancelled;
    default: return Errc::io;
  }
}

}  // namespace

std::string_view to_string(Errc code) noexcept {
  switch (code) {
    case Errc::io: return "io";
    case Errc::not_found: return "not-found";
    case Errc::permission: return "permission";
    case Errc::exists: return "exists";
    case Errc::no_space: return "no-space";
    case Errc::read_only: return "read-only";
    case Errc::busy: return "busy";
    case Errc::timeout: return "timeout";
    case Errc::parse: return "parse";
    case Errc::invalid: return "invalid";
    case Errc::crypto: return "crypto";
    case Errc::database: return "database";
    case Errc::network: return "network";
    case Errc::refused: return "refused";
    case Errc::cancelled: return "cancelled";
    case Errc::internal: return "internal";
  }
  return "internal";
}

Error Error::within(std::string_view outer) && {
  context.emplace_back(outer);
  return std::move(*this);
}

std::string Error::text() const {
  std::string out;
  for (auto it = context.rbegin(); it != context.rend(); ++it) out += *it + ": ";
  return out + what;
}

Error make_error(Errc code, std::string what, std::string remedy) {
  return Error{.code = code, .what = std::move(what), .remedy = std::move(remedy), .sys_errno = 0, .context = {}};
}

Error errno_error(std::string_view call, std::string_view object, int saved_errno) {
  return Error{.code = errc_of(saved_errno),
               .what = fmt::format("{} \"{}\": {}", call, object, std::generic_category().message(saved_errno)),
               .remedy = {},
               .sys_errno = saved_errno,
               .context = {}};
}

bool is_passing(const Error& error) noexcept {
  switch (error.sys_errno) {
    case EMFILE: case ENFILE: case ENOMEM: case EAGAIN: case EINTR: case EIO: case ESTALE: return true;
    default: return false;
  }
}

}  // namespace pgcertd
