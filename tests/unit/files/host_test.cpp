#include "files/host.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>

#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

std::vector<gid_t> as_id_says(const std::string& user) {
  FILE* pipe = ::popen(("id -G " + user).c_str(), "r");
  std::vector<gid_t> groups;
  unsigned gid = 0;
  while (pipe != nullptr && std::fscanf(pipe, "%u", &gid) == 1) groups.push_back(gid);
  if (pipe != nullptr) ::pclose(pipe);
  return groups;
}

TEST(Host, AUserHasTheGroupsThatIdShows) {
  for (const std::string user : {"root", "postgres", "nobody"}) {
    if (::getpwnam(user.c_str()) == nullptr) continue;
    const auto seen = identity_of_user(user);
    ASSERT_TRUE(ok(seen));
    EXPECT_EQ(seen->uid, ::getpwnam(user.c_str())->pw_uid);
    auto all = seen->groups, expected = as_id_says(user);
    all.push_back(seen->gid);
    std::sort(all.begin(), all.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(all, expected) << user;
  }
  EXPECT_EQ(identity_of_user("no-such-user-here").error().code, Errc::not_found);
  EXPECT_EQ(identity_of_user("").error().code, Errc::not_found);
}

TEST(Host, ADirectoryHasAnOwnerWithOrWithoutAnAccount) {
  ScratchDir dir;
  EXPECT_EQ(identity_of_owner(dir.path())->uid, ::geteuid());
  EXPECT_EQ(identity_of_owner(dir / "none").error().code, Errc::not_found);
  if (!root()) return;
  ASSERT_EQ(::chown(dir.path().c_str(), 54321, 54322), 0);
  EXPECT_EQ(identity_of_owner(dir.path()).value(), (ServerIdentity{.uid = 54321, .gid = 54322, .groups = {}}));
}

TEST(Host, ItsNameIsFullyQualifiedOrNone) {
  const auto name = host_fqdn();
  if (!name) {
    EXPECT_EQ(name.error().code, Errc::not_found);
    EXPECT_NE(name.error().remedy, "");
    return;
  }
  EXPECT_NE(name->find('.'), std::string::npos);
  EXPECT_EQ(name->find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), std::string::npos);
}

}  // namespace
}  // namespace pgcertd::files
