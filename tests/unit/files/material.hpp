// What the tests of files work on: real pairs, a state directory that others may pass through, a server's user who is
// somebody else when the tests run as root.
#pragma once

#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <grp.h>

#include "files/generation_store.hpp"
#include "unit/support/scratch_dir.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/sign.hpp"

namespace pgcertd::files::test {

using namespace pgcertd::test;

constexpr TimePoint start = from_unix(1767225600);   // 2026-01-01T00:00:00Z
constexpr uid_t other_uid = 65533, daemon_uid = 65532;

inline bool root() { return ::geteuid() == 0; }
inline ServerIdentity server() {
  return root() ? ServerIdentity{.uid = other_uid, .gid = other_uid, .groups = {}}
                : ServerIdentity{.uid = ::geteuid(), .gid = ::getegid(), .groups = {}};
}

struct Pair {
  std::string certificate_pem, key_pem, spki;
};
inline Pair make_pair(const std::string& name = "db1.example.org") {
  const auto key = x509::PrivateKey::generate(KeyType::ecdsa_p256).value();
  const x509::LeafProfile profile{.serial = x509::new_serial().value(),
                                  .names = {{name}, {}},
                                  .validity = {start, start + std::chrono::hours(2160)},
                                  .crl_url = {}};
  const auto certificate = x509::make_self_signed(key, profile).value();
  return {certificate.pem(), std::string{key.to_pem().view()}, key.spki_sha256()};
}
inline const Pair& pair() {
  static const Pair one = make_pair();
  return one;
}
inline GenerationContent content(const Pair& from = pair(), Origin origin = Origin::issued) {
  GenerationContent out;
  out.chain_pem = from.certificate_pem;
  out.key_pem = Secret(from.key_pem);
  out.root_pem = from.certificate_pem;
  out.origin = origin;
  return out;
}

// Counts: ids are told apart, and the same in each run.
class Counting final : public ports::Random {
 public:
  explicit Counting(unsigned first = 0) : next_(first) {}
  std::string hex(std::size_t bytes) override {
    std::string digits(bytes * 2, '0');
    for (unsigned value = next_++, at = 0; value > 0; value /= 16, ++at)
      digits[digits.size() - 1 - at] = "0123456789abcdef"[value % 16];
    return digits;
  }

 private:
  unsigned next_;
};

class State {
 public:
  State() { ::chmod(scratch_.path().c_str(), 0711); }
  [[nodiscard]] const std::string& path() const { return scratch_.path(); }
  [[nodiscard]] std::string cluster() const { return scratch_ / "clusters/main"; }
  [[nodiscard]] std::string file(const std::string& id, const std::string& name) const {
    return cluster() + "/generations/" + id + "/" + name;
  }
  [[nodiscard]] std::string current(const std::string& name) const { return cluster() + "/current/" + name; }

  Counting random;

 private:
  ScratchDir scratch_;
};

inline struct stat stat_of(const std::string& path) {
  struct stat seen {};
  EXPECT_EQ(::lstat(path.c_str(), &seen), 0) << path;
  return seen;
}
inline bool exists(const std::string& path) {
  struct stat seen {};
  return ::lstat(path.c_str(), &seen) == 0;
}
inline std::vector<std::string> entries(const std::string& directory) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) out.push_back(entry.path().filename());
  return out;
}
inline std::string bytes_of(int fd) {
  std::string bytes(static_cast<std::size_t>(::lseek(fd, 0, SEEK_END)), '?');
  EXPECT_EQ(::pread(fd, bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  return bytes;
}
inline bool all_zero(const std::string& bytes) { return !bytes.empty() && bytes.find_first_not_of('\0') == std::string::npos; }

template <class T>
::testing::AssertionResult ok(const Result<T>& result) {
  return result ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << result.error().text();
}

// Runs `body` in a child as `uid` with these capabilities (a mask), none of them root's; returns what `body` returns.
inline std::string in_child_as(uid_t uid, std::uint32_t capabilities, const std::function<std::string()>& body) {
  int channel[2];
  if (::pipe(channel) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const __user_cap_data_struct sets[2]{{.effective = capabilities, .permitted = capabilities, .inheritable = 0}, {}};
    const bool dropped =
        ::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 && ::setgroups(0, nullptr) == 0 && ::setresgid(uid, uid, uid) == 0 &&
        ::setresuid(uid, uid, uid) == 0 && ::syscall(SYS_capset, &header, sets) == 0 &&
        ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0;  // /proc/self belongs to root otherwise, as it does not under systemd
    const std::string answer = dropped ? body() : "the privileges could not be dropped";
    const bool told = ::write(channel[1], answer.data(), answer.size()) == static_cast<ssize_t>(answer.size());
    ::_exit(told ? 0 : 1);
  }
  ::close(channel[1]);
  std::string answer;
  char buffer[512];
  for (ssize_t got = 0; (got = ::read(channel[0], buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(got));
  ::close(channel[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? answer : "the child failed: " + answer;
}

}  // namespace pgcertd::files::test
