// Covers lib/base/fd_io.cpp: pipes give and take in pieces, and a full disk is an error.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <thread>

#include "base/fd_io.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd {
namespace {

struct Pipe {
  UniqueFd out, in;
  Pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    out.reset(ends[0]), in.reset(ends[1]);
  }
};

TEST(FdIo, WhatIsLargerThanAPipeArrivesWhole) {
  Pipe pipe;
  std::string sent(1U << 20U, 'x');
  for (std::size_t i = 0; i < sent.size(); i += 4096) sent[i] = static_cast<char>('a' + i / 4096 % 26);
  std::thread writer([&] {
    EXPECT_TRUE(write_fully(pipe.in.get(), sent, "pipe"));
    pipe.in.reset();
  });
  std::string got(sent.size() + 10, '\0');
  const auto size = read_fully(pipe.out.get(), got.data(), got.size(), "pipe");
  writer.join();
  ASSERT_TRUE(size);
  EXPECT_EQ(*size, sent.size());
  got.resize(*size);
  EXPECT_TRUE(got == sent);
}

TEST(FdIo, ReadsNoMoreThanWasAskedFor) {
  Pipe pipe;
  ASSERT_TRUE(write_fully(pipe.in.get(), "abcdef", "pipe"));
  std::array<char, 3> bytes{};
  EXPECT_EQ(read_fully(pipe.out.get(), bytes.data(), bytes.size(), "pipe").value_or(0), 3U);
  EXPECT_EQ(std::string(bytes.data(), bytes.size()), "abc");
}

TEST(FdIo, ErrorsNameTheCallAndTheFile) {
  std::array<char, 4> bytes{};
  const auto read = read_fully(-1, bytes.data(), bytes.size(), "some file");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().sys_errno, EBADF);
  EXPECT_NE(read.error().text().find("some file"), std::string::npos);
  const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  const auto written = write_fully(full.get(), "x", "full disk");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, Errc::no_space);
}

}  // namespace
}  // namespace pgcertd
