#include "ca/durable_file.hpp"

#include <gtest/gtest.h>

#include "core/cert.hpp"
#include "unit/support/scratch_dir.hpp"

namespace pgcertd::ca {
namespace {

using test::ScratchDir;

TEST(DurableFile, WritesReadsAndReplaces) {
  ScratchDir dir;
  const std::string path = dir / "f";
  const std::string bytes("a\0b\n", 4);
  ASSERT_TRUE(write_new_file(path, bytes, 0600));
  EXPECT_EQ(read_file(path).value(), bytes);
  EXPECT_EQ(read_secret_file(path).value().view(), bytes);
  EXPECT_EQ(write_new_file(path, "other", 0600).error().code, Errc::exists);
  EXPECT_EQ(read_file(path).value(), bytes);
  test::spit(path + ".new", "left by a crash");
  ASSERT_TRUE(replace_file(path, "second", 0644));
  EXPECT_EQ(read_file(path).value(), "second");
  EXPECT_EQ(test::mode_of(path), 0644);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST(DurableFile, ModesAreExactWhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0177}}) {
    ScratchDir dir;
    const mode_t before = ::umask(mask);
    EXPECT_TRUE(write_new_file(dir / "key", "k", 0600));
    EXPECT_TRUE(write_new_file(dir / "crt", "c", 0644));
    ::umask(before);
    EXPECT_EQ(test::mode_of(dir / "key"), 0600);
    EXPECT_EQ(test::mode_of(dir / "crt"), 0644);
  }
}

TEST(DurableFile, ReadsOnlyRegularFilesOfSensibleSize) {
  ScratchDir dir;
  test::spit(dir / "real", "x");
  std::filesystem::create_symlink(dir / "real", dir / "link");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  test::spit(dir / "huge", "");
  std::filesystem::resize_file(dir / "huge", largest_crl + 1);
  EXPECT_EQ(read_file(dir / "missing").error().code, Errc::not_found);
  for (const char* name : {"link", "fifo", "huge", "."}) EXPECT_FALSE(read_file(dir / name)) << name;
}

TEST(DurableFile, AFailureLeavesTheOldFile) {
  ScratchDir dir;
  test::spit(dir / "f", "old");
  std::filesystem::create_directory(dir / "f.new");    // stands in the way
  EXPECT_FALSE(replace_file(dir / "f", "new", 0600));
  EXPECT_EQ(test::slurp(dir / "f"), "old");
  std::filesystem::create_directory(dir / "d");
  EXPECT_FALSE(replace_file(dir / "d", "new", 0600)) << "a directory is not replaced";
  EXPECT_FALSE(std::filesystem::exists(dir / "d.new"));
}

TEST(DurableFile, WhatIsNoRegularFileIsNotReplaced) {
  ScratchDir dir;
  std::filesystem::create_symlink("/dev/null", dir / "link");
  std::filesystem::create_directory(dir / "d");
  for (const char* name : {"link", "d"}) {
    EXPECT_EQ(check_replaceable(dir / name).error().code, Errc::refused) << name;
    EXPECT_EQ(replace_file(dir / name, "new", 0600).error().code, Errc::refused) << name;
  }
  EXPECT_TRUE(std::filesystem::is_symlink(dir / "link"));
}

TEST(DurableFile, WhetherItCanBeReplacedIsKnownBeforeAndLeavesNothing) {
  ScratchDir dir;
  test::spit(dir / "f", "old");
  EXPECT_TRUE(check_replaceable(dir / "f"));
  EXPECT_TRUE(check_replaceable(dir / "g"));
  EXPECT_EQ(test::slurp(dir / "f"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir.path()), {}), 1);
  const Error error = check_replaceable(dir / "none/f").error();
  EXPECT_EQ(error.code, Errc::not_found);
  EXPECT_NE(error.what.find("none/f\""), std::string::npos) << "the file that is meant, not the one beside it: " << error.what;
}

// A write that fails half-way, as on a full disk: what was there stays, what is half-written goes.
TEST(DurableFile, AWriteThatFailsHalfWayLeavesNothing) {
  ScratchDir dir;
  ::chmod(dir.path().c_str(), 0777);
  test::spit(dir / "old", "old");
  EXPECT_EQ(test::in_unprivileged_child([&] {
              test::limit_file_size(10);
              const auto replaced = replace_file(dir / "old", std::string(20, 'x'), 0600);
              const auto fresh = write_new_file(dir / "fresh", std::string(20, 'x'), 0600);
              return !replaced && !fresh && replaced.error().sys_errno == EFBIG ? 0 : 1;
            }),
            0);
  EXPECT_EQ(test::slurp(dir / "old"), "old");
  EXPECT_FALSE(std::filesystem::exists(dir / "old.new") || std::filesystem::exists(dir / "fresh"));
}

TEST(DurableFile, KnowsTheDirectoryOfAPath) {
  EXPECT_EQ(parent_of("/x/a"), "/x");
  EXPECT_EQ(parent_of("/a"), "/");
  EXPECT_EQ(parent_of("a"), ".");
}

}  // namespace
}  // namespace pgcertd::ca
