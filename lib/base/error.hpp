// Error: why an expected failure happened, named by call and object, with context added outward.
// Values only; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pgcertd {

enum class Errc : std::uint8_t {
  io,           // a system call failed for a reason without a row of its own
  not_found,    // the object is not there
  permission,   // the kernel or the server said no
  exists,       // the object is there already
  no_space,     // ENOSPC, EDQUOT
  read_only,    // EROFS
  busy,         // somebody else holds it
  timeout,      // a deadline passed
  parse,        // bytes that are not what they should be
  invalid,      // well formed, but impossible or forbidden
  crypto,       // OpenSSL said no
  database,     // SQLite said no
  network,      // a peer could not be reached or broke off
  refused,      // a policy of ours or of a peer said no
  cancelled,    // the daemon is stopping
  internal,     // a bug of ours
};

std::string_view to_string(Errc code) noexcept;

struct Error {
  Errc code = Errc::internal;
  std::string what;                   // one sentence: call, object, reason
  std::string remedy;                 // what to type or change; may be empty
  int sys_errno = 0;                  // 0 where no system call was involved
  std::vector<std::string> context;   // innermost first

  // The same error seen one level further out: "staging generation 7".
  [[nodiscard]] Error within(std::string_view outer) &&;
  // "outer: inner: what". Never holds a secret.
  [[nodiscard]] std::string text() const;
};

Error make_error(Errc code, std::string what, std::string remedy = {});
// "openat \"server.key\": Permission denied", with the Errc that fits `saved_errno`.
Error errno_error(std::string_view call, std::string_view object, int saved_errno);
// The host was short of something (descriptors, memory) or the disk failed: it says nothing of what the object holds.
bool is_passing(const Error& error) noexcept;

}  // namespace pgcertd
