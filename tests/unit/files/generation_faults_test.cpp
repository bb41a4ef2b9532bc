// Full and read-only disks, a kill -9 at every system call, and somebody who looks at the key all the time.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "unit/files/material.hpp"

namespace pgcertd::files {
namespace {

using namespace test;

// A file system of its own, where root may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const std::string& at) : at_(at) {
    mounted = ::mount("tmpfs", at.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=256k,nr_inodes=48,mode=0711") == 0;
  }
  ~SmallDisk() {
    if (mounted) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  void read_only(bool on) const {
    ASSERT_EQ(::mount(nullptr, at_.c_str(), nullptr, on ? MS_REMOUNT | MS_RDONLY : MS_REMOUNT, nullptr), 0);
  }
  bool mounted = false;

 private:
  std::string at_;
};

void fill_with_files(const std::string& directory) {
  for (int i = 0;; ++i)
    if (const UniqueFd fd(::open(fmt::format("{}/fill{}", directory, i).c_str(), O_CREAT | O_WRONLY, 0600)); !fd) break;
}

void fill_with_bytes(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_CREAT | O_WRONLY, 0600));
  const std::string page(4096, 'x');
  while (::write(fd.get(), page.data(), page.size()) > 0) {}
}

class FullDisk : public ::testing::TestWithParam<bool> {};

TEST_P(FullDisk, StagingFailsCleanlyAndTheWayBackStillWorks) {
  if (!root()) GTEST_SKIP() << "only root may mount a small file system; AFileThatMayNotGrow stands for it";
  State state;
  const SmallDisk disk(state.path());
  if (!disk.mounted) GTEST_SKIP() << "mount is not permitted here; AFileThatMayNotGrow stands for it";
  GenerationStore store(state.path(), "main", state.random);
  const auto first = store.stage(content(), 1, server(), start), second = store.stage(content(), 2, server(), start);
  ASSERT_TRUE(ok(first) && ok(second));
  ASSERT_TRUE(ok(store.publish(*first)));
  ASSERT_TRUE(ok(store.prepare_way_back(*first)));
  ASSERT_TRUE(ok(store.publish(*second)));
  const bool inodes = GetParam();
  inodes ? fill_with_files(state.path()) : fill_with_bytes(state.path() + "/fill");

  const auto failed = store.stage(content(), 3, server(), start);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Errc::no_space);
  EXPECT_EQ(entries(state.cluster() + "/generations").size(), 2U);
  if (inodes) {
    EXPECT_EQ(store.publish(*first).error().code, Errc::no_space);
    EXPECT_EQ(store.observe()->current, *second);
  }
  ASSERT_TRUE(ok(store.publish_way_back()));
  EXPECT_EQ(store.observe()->current, *first);
  EXPECT_TRUE(store.observe()->live()->complete);
  EXPECT_TRUE(ok(store.remove(*second)));                // gives space back, and it heals
  for (const auto& name : entries(state.path()))
    if (name.starts_with("fill")) std::filesystem::remove(state.path() + "/" + name);
  EXPECT_TRUE(ok(store.stage(content(), 3, server(), start)));
}
INSTANTIATE_TEST_SUITE_P(Of, FullDisk, ::testing::Bool(), [](const auto& param) { return param.param ? "Inodes" : "Bytes"; });

TEST(GenerationFaults, AReadOnlyDiskIsReadAndRefused) {
  State state;
  const SmallDisk disk(state.path());
  GenerationStore store(state.path(), "main", state.random), other(state.path(), "other", state.random);
  const auto id = store.stage(content(), 1, server(), start);
  ASSERT_TRUE(ok(store.publish(*id)));
  if (!disk.mounted) {                                   // directories of its own that were shut are opened again
    for (const std::string& path : {state.path() + "/clusters", state.cluster(), state.cluster() + "/generations"})
      ::chmod(path.c_str(), 0500);
    EXPECT_TRUE(ok(store.stage(content(), 2, server(), start)));
    EXPECT_TRUE(ok(other.observe()));
    EXPECT_EQ(mode_of(state.path() + "/clusters"), 0711);
    return;
  }
  disk.read_only(true);
  const auto seen = store.observe();
  ASSERT_TRUE(ok(seen));
  EXPECT_TRUE(seen->live()->complete);
  const auto code = [](const auto& result) { return result ? Errc::internal : result.error().code; };
  EXPECT_EQ(code(store.stage(content(), 2, server(), start)), Errc::read_only);
  EXPECT_EQ(code(store.publish(*id)), Errc::read_only);
  EXPECT_EQ(code(store.remove("20250101T000000Z-00")), Errc::internal);    // not there: nothing to do
  EXPECT_EQ(code(other.observe()), Errc::read_only);
  disk.read_only(false);
  EXPECT_TRUE(ok(other.observe()));
}

TEST(GenerationFaults, AFileThatMayNotGrow) {
  State state;
  GenerationStore store(state.path(), "main", state.random);
  ASSERT_TRUE(ok(store.observe()));
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 300, .rlim_max = 300};          // the key fits, the certificate does not
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    const auto failed = store.stage(content(), 1, server(), start);
    ::_exit(!failed && failed.error().sys_errno == EFBIG ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_TRUE(entries(state.cluster() + "/generations").empty());
}

// What a power cut needs: each file that was written or changed is synced before it is closed and before anything is
// renamed, and each rename is followed by an fsync.
class DurabilityRules {
 public:
  // `regular`: the descriptor is a file or directory; sanitizers write to pipes of their own.
  void saw(const __ptrace_syscall_info& call, const std::function<bool(int)>& regular) {
    const auto number = static_cast<long>(call.entry.nr);
    const auto fd = static_cast<int>(call.entry.args[0]);
    const bool change = number == SYS_write || number == SYS_fchown || number == SYS_fchmod;
    if (change && regular(fd)) dirty_.insert(fd), ++changes;
    if (number == SYS_fsync) dirty_.erase(fd), renamed_ = false;
    if (number == SYS_close && dirty_.contains(fd)) broken.emplace_back("closed without fsync");
    if (number == SYS_renameat && !dirty_.empty()) broken.emplace_back("renamed before fsync");
    if (number == SYS_renameat && renamed_) broken.emplace_back("renamed twice without fsync");
    if (number == SYS_renameat) renamed_ = true, ++renames;
    if (number == SYS_exit_group && renamed_) broken.emplace_back("no fsync after the last rename");
  }
  std::vector<std::string> broken;
  int changes = 0, renames = 0;

 private:
  std::set<int> dirty_;
  bool renamed_ = false;
};

// A child that stops at each of its system calls.
class Traced {
 public:
  explicit Traced(const std::function<bool()>& body) : child_(::fork()) {
    if (child_ == 0) {
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::raise(SIGSTOP);
      ::_exit(body() ? 0 : 1);
    }
    ::waitpid(child_, &status_, 0);
    EXPECT_EQ(::ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
  }
  // The call that it is about to make; none when it ended.
  std::optional<__ptrace_syscall_info> next() {
    while (WIFSTOPPED(status_)) {
      ::ptrace(PTRACE_SYSCALL, child_, nullptr, nullptr);
      ::waitpid(child_, &status_, 0);
      __ptrace_syscall_info info{};
      if (WIFSTOPPED(status_) && ::ptrace(PTRACE_GET_SYSCALL_INFO, child_, sizeof info, &info) > 0 &&
          info.op == PTRACE_SYSCALL_INFO_ENTRY)
        return info;
    }
    return std::nullopt;
  }
  void kill() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, &status_, 0);
  }
  [[nodiscard]] bool is_file(int fd) const {
    std::error_code closed;
    return std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", child_, fd), closed).is_absolute();
  }
  [[nodiscard]] bool succeeded() const { return WIFEXITED(status_) && WEXITSTATUS(status_) == 0; }

 private:
  pid_t child_;
  int status_ = 0;
};

struct Rotating : ::testing::Test {
  State state;
  GenerationStore store{state.path(), "main", state.random};
  std::string first;

  void SetUp() override {
    first = store.stage(content(), 1, server(), start).value();
    ASSERT_TRUE(ok(store.publish(first)));
  }
  bool rotate_and_go_back() {
    const auto next = store.stage(content(), 2, server(), start);
    return next && store.prepare_way_back(first) && store.publish(*next) && store.publish_way_back() && store.remove(*next);
  }
};

TEST_F(Rotating, EverythingIsOnTheDiskBeforeItIsCalledByItsName) {
  Traced child([&] { return rotate_and_go_back(); });
  DurabilityRules rules;
  while (const auto call = child.next()) rules.saw(*call, [&](int fd) { return child.is_file(fd); });
  EXPECT_TRUE(child.succeeded());
  EXPECT_TRUE(rules.broken.empty()) << rules.broken.front();
  EXPECT_GE(rules.changes, 5);
  EXPECT_EQ(rules.renames, 4);
}

bool changes_the_disk(const __ptrace_syscall_info& call) {
  switch (static_cast<long>(call.entry.nr)) {
    case SYS_openat2:                                    // may create; its flags stand in the child's memory
    case SYS_openat: case SYS_write: case SYS_mkdirat: case SYS_symlinkat: case SYS_renameat: case SYS_unlinkat:
    case SYS_fchown: case SYS_fchownat: case SYS_fchmod: case SYS_exit_group: return true;
    default: return false;
  }
}

// False when it came to its end before.
bool killed_at_change(int n, const std::function<bool()>& body) {
  Traced child(body);
  while (const auto call = child.next()) {
    if (!changes_the_disk(*call) || --n > 0) continue;
    child.kill();
    return true;
  }
  EXPECT_TRUE(child.succeeded());
  return false;
}

void expect_startable(GenerationStore& store, const std::string& where, const std::string& first) {
  const auto seen = store.observe();
  ASSERT_TRUE(ok(seen)) << where;
  ASSERT_NE(seen->live(), nullptr) << where;
  EXPECT_TRUE(seen->live()->complete) << where << ": " << seen->live()->incomplete_why;
  for (const FileSeen& file : seen->live()->files)
    EXPECT_EQ(file.path.ends_with("server.key") ? judge_key(server(), file) : judge_public(server(), file), FileVerdict::ok)
        << where;
  for (const std::string& name : entries(seen->directory + "/generations")) EXPECT_FALSE(name.starts_with(".tmp-")) << where;
  ASSERT_TRUE(ok(store.publish(first)));
  for (const GenerationSeen& generation : seen->all) {
    if (generation.id == first) continue;
    EXPECT_TRUE(ok(store.remove(generation.id))) << where;      // half removed, or whole
  }
}

TEST_F(Rotating, AKillBeforeEachChangeLeavesWhatTheServerCanStartFrom) {
  int calls = 0;
  while (killed_at_change(++calls, [&] { return rotate_and_go_back(); })) {
    expect_startable(store, fmt::format("killed before change {}", calls), first);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(calls, 40);                                  // else nothing was traced
  expect_startable(store, "not killed", first);
}

TEST(GenerationFaults, NobodyEverSeesAKeyThatOthersCouldRead) {
  State state;
  GenerationStore store(state.path(), "main", state.random);
  ASSERT_TRUE(ok(store.observe()));
  std::atomic<bool> stop{false}, open_key{false};
  std::atomic<std::uint64_t> looks{0};
  std::thread watcher([&] {
    const std::string generations = state.cluster() + "/generations";
    while (!stop) {
      std::error_code gone;
      for (const auto& entry : std::filesystem::directory_iterator(generations, gone)) {
        struct stat seen {};
        if (::lstat((entry.path() / "server.key").c_str(), &seen) != 0) continue;
        ++looks;
        if ((seen.st_mode & 077U) != 0) open_key = true;
      }
    }
  });
  const mode_t before = ::umask(0);
  // As often as it takes until the watcher had its turns, too.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::uint64_t number = 0; looks <= 100 && std::chrono::steady_clock::now() < deadline;) {
    std::vector<std::string> ids;
    for (int i = 0; i < 30; ++i)
      if (auto id = store.stage(content(), ++number, server(), start)) ids.push_back(*id);
    EXPECT_EQ(ids.size(), 30U);
    for (const std::string& id : ids) {
      EXPECT_TRUE(ok(store.repair(id, FileRole::key, server())));
      EXPECT_TRUE(ok(store.remove(id)));
    }
  }
  ::umask(before);
  stop = true;
  watcher.join();
  EXPECT_GT(looks, 100U);
  EXPECT_FALSE(open_key);
}

}  // namespace
}  // namespace pgcertd::files
