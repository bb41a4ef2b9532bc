#include "store/state_lock.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <csignal>

#include "unit/support/scratch_dir.hpp"

namespace pgcertd::store {
namespace {

using test::ScratchDir;

TEST(StateLock, ASecondProcessIsRefusedByTheNumberOfTheFirst) {
  ScratchDir dir;
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const auto lock = lock_state(dir.path());
    (void)!::write(ready[1], lock ? "y" : "n", 1);
    for (;;) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  const auto refused = lock_state(dir.path());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::busy);
  EXPECT_NE(refused.error().what.find(fmt::format("process {}", holder)), std::string::npos) << refused.error().what;
  EXPECT_EQ(test::mode_of(dir / "lock"), 0600);

  // A kill -9 leaves the file, but no lock.
  ::kill(holder, SIGKILL);
  ::waitpid(holder, nullptr, 0);
  EXPECT_TRUE(lock_state(dir.path()));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(StateLock, IsFreedWithItsObject) {
  ScratchDir dir;
  {
    const auto first = lock_state(dir.path());
    ASSERT_TRUE(first);
    EXPECT_EQ(lock_state(dir.path()).error().code, Errc::busy);
  }
  EXPECT_TRUE(lock_state(dir.path()));
}

TEST(StateLock, NoDirectoryAndLinksAreErrors) {
  ScratchDir dir;
  EXPECT_EQ(lock_state(dir / "missing").error().code, Errc::not_found);
  std::filesystem::create_symlink("/etc/passwd", dir / "lock");
  EXPECT_FALSE(lock_state(dir.path()));
}

}  // namespace
}  // namespace pgcertd::store
