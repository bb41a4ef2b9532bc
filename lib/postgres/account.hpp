// Users of the system, as the account database has them. Any thread.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace pgcertd::postgres {

struct Account {
  std::string user;
  uid_t uid = static_cast<uid_t>(-1);
  gid_t gid = static_cast<gid_t>(-1);   // primary group
};

std::optional<Account> account_of(const std::string& user);
std::optional<Account> account_of(uid_t uid);
// Needs search permission on the parents only. An owner without an entry has its number for a name and the path's group.
std::optional<Account> owner_of(const std::string& path);

}  // namespace pgcertd::postgres
