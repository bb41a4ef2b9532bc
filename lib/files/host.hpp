// Who the server's user is, and what this host is called. The account database and the resolver may be on the network:
// calls can last, so they are made once and remembered. Any thread.
#pragma once

#include <string>

#include "base/result.hpp"
#include "core/permissions.hpp"

namespace pgcertd::files {

// With supplementary groups. not_found: no such user.
Result<ServerIdentity> identity_of_user(const std::string& user);
// False only where the account database knows for certain that there is none.
bool may_be_user(const std::string& name);
bool may_be_group(const std::string& name);
// The owner of a directory; without an account (container) it has the directory's group and no others.
Result<ServerIdentity> identity_of_owner(const std::string& directory);
// Lower case, with a dot; not_found when the host has no such name.
Result<std::string> host_fqdn();

}  // namespace pgcertd::files
