#include "files/host.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <vector>

#include "base/text.hpp"

namespace pgcertd::files {
namespace {

struct Account {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

Account account_of(const passwd& entry) { return {entry.pw_name, entry.pw_uid, entry.pw_gid}; }
Account account_of(const group& entry) { return {entry.gr_name, 0, entry.gr_gid}; }

// getpw*_r and getgr*_r with a buffer that grows. None: there is no such account.
template <class Entry = passwd, class Lookup>
Result<std::optional<Account>> look_up(std::string_view call, std::string_view object, Lookup lookup) {
  constexpr std::size_t largest = std::size_t{1} << 20U;
  for (std::vector<char> buffer(1024);; buffer.resize(buffer.size() * 2)) {
    Entry entry{};
    Entry* found = nullptr;
    int failed = EINTR;
    while (failed == EINTR) failed = lookup(&entry, buffer, &found);
    if (failed == ERANGE && buffer.size() < largest) continue;
    if (found != nullptr) return std::optional{account_of(*found)};
    // getpwnam(3): these are said for "not found" by one module or another.
    if (failed == 0 || failed == ENOENT || failed == ESRCH || failed == EBADF || failed == EPERM) return std::optional<Account>{};
    return fail(errno_error(call, object, failed));
  }
}

Result<std::optional<Account>> user_named(const std::string& name) {
  return look_up("getpwnam", name, [&](passwd* entry, std::vector<char>& buffer, passwd** found) {
    return ::getpwnam_r(name.c_str(), entry, buffer.data(), buffer.size(), found);
  });
}

std::vector<gid_t> groups_of(const Account& account) {
  constexpr std::size_t most = std::size_t{1} << 17U;    // NGROUPS_MAX is 65536
  std::vector<gid_t> groups(32);
  for (;;) {
    int count = static_cast<int>(groups.size());
    if (::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count) >= 0) {
      groups.resize(static_cast<std::size_t>(count));
      break;
    }
    if (groups.size() >= most) break;
    groups.resize(groups.size() * 2);
  }
  std::erase(groups, account.gid);
  return groups;
}

ServerIdentity identity(const Account& account) { return {.uid = account.uid, .gid = account.gid, .groups = groups_of(account)}; }

std::string host_name(std::string text) {
  text = lower_case(std::move(text));
  while (!text.empty() && text.back() == '.') text.pop_back();
  return text;
}

bool is_fqdn(const std::string& name) { return name.find('.') != std::string::npos && !name.starts_with("localhost."); }

std::string canonical_name(const std::string& host) {
  addrinfo hints{};
  hints.ai_flags = AI_CANONNAME;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  return found != nullptr && found->ai_canonname != nullptr ? found->ai_canonname : "";
}

}  // namespace

Result<ServerIdentity> identity_of_user(const std::string& user) {
  PGCERTD_TRY(const auto account, user_named(user));
  if (!account)
    return fail(Errc::not_found, fmt::format("there is no user \"{}\" on this host", user),
                "correct server_user, or create the user");
  return identity(*account);
}

bool may_be_user(const std::string& name) {
  const auto known = user_named(name);
  return !known || known->has_value();
}

bool may_be_group(const std::string& name) {
  const auto known = look_up<group>("getgrnam", name, [&](group* entry, std::vector<char>& buffer, group** found) {
    return ::getgrnam_r(name.c_str(), entry, buffer.data(), buffer.size(), found);
  });
  return !known || known->has_value();
}

Result<ServerIdentity> identity_of_owner(const std::string& directory) {
  struct stat seen {};
  if (::stat(directory.c_str(), &seen) != 0) return fail(errno_error("stat", directory, errno));
  PGCERTD_TRY(const auto account, look_up("getpwuid", directory, [&](passwd* entry, std::vector<char>& buffer, passwd** found) {
    return ::getpwuid_r(seen.st_uid, entry, buffer.data(), buffer.size(), found);
  }));
  if (!account) return ServerIdentity{.uid = seen.st_uid, .gid = seen.st_gid, .groups = {}};
  return identity(*account);
}

Result<std::string> host_fqdn() {
  std::array<char, HOST_NAME_MAX + 1> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return fail(errno_error("gethostname", "", errno));
  std::string name = host_name(host.data());
  if (!is_fqdn(name)) name = host_name(canonical_name(name));
  if (is_fqdn(name)) return name;
  return fail(Errc::not_found, fmt::format("host \"{}\" has no fully qualified name", host.data()),
              "set `names` in the cluster's configuration");
}

}  // namespace pgcertd::files
