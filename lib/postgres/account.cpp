#include "postgres/account.hpp"

#include <pwd.h>
#include <sys/stat.h>

#include <cerrno>
#include <vector>

namespace pgcertd::postgres {
namespace {

template <class Lookup>
std::optional<Account> look_up(Lookup lookup) {
  std::vector<char> buffer(1024);
  for (;;) {
    passwd entry{};
    passwd* found = nullptr;
    const int failed = lookup(&entry, buffer.data(), buffer.size(), &found);
    if (failed == ERANGE && buffer.size() < (1U << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (failed == EINTR) continue;
    if (failed != 0 || found == nullptr) return std::nullopt;
    return Account{.user = found->pw_name, .uid = found->pw_uid, .gid = found->pw_gid};
  }
}

}  // namespace

std::optional<Account> account_of(const std::string& user) {
  return look_up([&](passwd* entry, char* buffer, std::size_t size, passwd** found) {
    return getpwnam_r(user.c_str(), entry, buffer, size, found);
  });
}

std::optional<Account> account_of(uid_t uid) {
  return look_up(
      [&](passwd* entry, char* buffer, std::size_t size, passwd** found) { return getpwuid_r(uid, entry, buffer, size, found); });
}

std::optional<Account> owner_of(const std::string& path) {
  struct stat seen {};
  if (path.empty() || stat(path.c_str(), &seen) != 0) return std::nullopt;
  if (auto account = account_of(seen.st_uid)) return account;
  return Account{.user = std::to_string(seen.st_uid), .uid = seen.st_uid, .gid = seen.st_gid};
}

}  // namespace pgcertd::postgres
