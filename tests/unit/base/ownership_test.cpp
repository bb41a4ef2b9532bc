#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <type_traits>

#include "base/secret.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> && std::is_nothrow_move_assignable_v<Secret>);
static_assert(!std::is_copy_constructible_v<UniqueFd> && !std::is_copy_assignable_v<UniqueFd>);

TEST(Secret, MovesLeaveNothingBehind) {
  Secret first("hunter2");
  Secret second(std::move(first));
  EXPECT_TRUE(first.empty());   // NOLINT(bugprone-use-after-move): that it is empty is the promise
  EXPECT_EQ(second.view(), "hunter2");
  Secret third("other");
  third = std::move(second);
  EXPECT_TRUE(second.empty());  // NOLINT(bugprone-use-after-move): as above
  EXPECT_EQ(third.view(), "hunter2");
  Secret& same = third;
  third = std::move(same);
  EXPECT_EQ(third.view(), "hunter2");
}

TEST(Secret, TruncateWipesTheTail) {
  Secret secret("passphrase");
  const char* tail = secret.data() + 4;
  secret.truncate(4);
  EXPECT_EQ(secret.view(), "pass");
  // The capacity still belongs to the vector, so that the bytes may be looked at but by an address sanitizer.
#if !defined(__SANITIZE_ADDRESS__)
  for (int i = 0; i < 6; ++i) EXPECT_EQ(tail[i], '\0');
#else
  (void)tail;
#endif
  secret.truncate(100);
  EXPECT_EQ(secret.view(), "pass");
}

TEST(Secret, CloneIsApartAndRoomIsZeroed) {
  Secret secret("abc");
  Secret copy = secret.clone();
  copy.data()[0] = 'x';
  EXPECT_EQ(secret.view(), "abc");
  EXPECT_EQ(copy.view(), "xbc");
  EXPECT_EQ(Secret::with_size(3).view(), std::string_view("\0\0\0", 3));
  EXPECT_TRUE(Secret().empty());
}

TEST(Secret, WipeOverwritesAString) {
  std::string text = "a passphrase that is too long for the small buffer";
  const char* bytes = text.data();
  const std::size_t size = text.size();
  wipe(text);
  EXPECT_TRUE(text.empty());
  ASSERT_EQ(text.data(), bytes);
  for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(bytes[i], '\0');
}

bool open_now(int fd) { return ::fcntl(fd, F_GETFD) != -1 || errno != EBADF; }
int new_fd() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

TEST(UniqueFd, ClosesOnceAndOnlyWhatItOwns) {
  const int number = new_fd();
  {
    UniqueFd first(number);
    UniqueFd second(std::move(first));
    EXPECT_FALSE(first);        // NOLINT(bugprone-use-after-move): that it is empty is the promise
    EXPECT_EQ(first.get(), -1);
    EXPECT_EQ(second.get(), number);
    second.reset();
    EXPECT_FALSE(open_now(number));
    // The number is given out anew: neither destructor may close it for its new owner.
    ASSERT_EQ(new_fd(), number);
  }
  EXPECT_TRUE(open_now(number));
  UniqueFd last(number);
  EXPECT_EQ(last.release(), number);
  EXPECT_FALSE(last);
  EXPECT_TRUE(open_now(number));
  ::close(number);
}

TEST(UniqueFd, AssignmentClosesTheOldOneAndSurvivesItself) {
  UniqueFd first(new_fd()), second(new_fd());
  const int old = first.get(), kept = second.get();
  first = std::move(second);
  EXPECT_FALSE(open_now(old));
  EXPECT_EQ(first.get(), kept);
  UniqueFd& same = first;
  first = std::move(same);
  EXPECT_TRUE(open_now(kept));
}

}  // namespace
}  // namespace pgcertd
