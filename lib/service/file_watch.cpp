#include "service/file_watch.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "base/unique_fd.hpp"
#include "service/watch_points.hpp"

namespace pgcertd::service {
namespace {

// No IN_MODIFY: a log file that grows beside the certificates would wake the daemon with each line.
constexpr std::uint32_t of_names = IN_CREATE | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE;
constexpr std::uint32_t of_directory = IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;

struct Interest {
  std::string key;
  std::string path;
  auto operator<=>(const Interest&) const = default;   // NOLINT(modernize-use-nullptr): of the comparison that it writes by itself
};
using Names = std::map<std::string, std::set<Interest>>;        // name in the directory, or "" → who cares
using Plan = std::map<std::string, Names>;                      // directory →
using Changes = std::map<std::string, std::string>;             // key → first path

Plan make_plan(const std::set<Interest>& interests) {
  Plan plan;
  for (const Interest& interest : interests) {
    for (const auto& [directory, name] : watch_points(interest.path)) plan[directory][name].insert(interest);
  }
  return plan;
}

bool names_nothing(const Names& names) { return names.size() == 1 && names.begin()->first.empty(); }

Error watch_error(const std::string& directory, int saved_errno) {
  Error error = errno_error("inotify_add_watch", directory, saved_errno);
  if (saved_errno == ENOSPC) error.remedy = "raise fs.inotify.max_user_watches with sysctl";
  if (saved_errno == EACCES) error.remedy = "let pgcertd's user read the directory, or give the unit CAP_DAC_READ_SEARCH";
  return error;
}

}  // namespace

struct FileWatch::Impl {
  EventLoop& loop;
  Callback changed;
  UniqueFd inotify;
  std::set<Interest> interests;
  std::map<int, Names> watches;                                 // by watch descriptor
  std::map<std::string, Error> failures;                        // by directory

  // Watches what `plan` names and nothing else.
  void apply(const Plan& plan) {
    std::map<int, Names> fresh;
    failures.clear();
    for (const auto& [directory, names] : plan) {
      const std::uint32_t mask = of_directory | (names_nothing(names) ? 0U : of_names);
      // IN_MASK_ADD: two paths may lead to one directory, and then they share a descriptor.
      const int wd = inotify_add_watch(inotify.get(), directory.c_str(), mask | IN_MASK_ADD);
      if (wd < 0 && errno != ENOENT && errno != ENOTDIR) failures.emplace(directory, watch_error(directory, errno));
      if (wd < 0) continue;   // gone since the plan was made: the next round sees its parent
      for (const auto& [name, who] : names) fresh[wd][name].insert(who.begin(), who.end());
    }
    std::map<int, Names> old = std::exchange(watches, std::move(fresh));
    for (const auto& [wd, names] : old) {
      if (watches.count(wd) == 0) (void)inotify_rm_watch(inotify.get(), wd);   // EINVAL: the kernel removed it with its directory
    }
  }
  // Directories may change while they are being watched: what is true before and after is watched rightly. A tree that
  // never rests is left to its own next event.
  void rebuild() {
    Plan plan = make_plan(interests);
    for (int round = 0; round < 4; ++round) {
      apply(plan);
      Plan again = make_plan(interests);
      if (again == plan) return;
      plan = std::move(again);
    }
  }

  void add_all(Changes& changes) const {
    for (const Interest& interest : interests) changes.emplace(interest.key, interest.path);
  }
  void judge(const inotify_event& event, Changes& changes) const {
    if ((event.mask & IN_Q_OVERFLOW) != 0) return add_all(changes);
    const auto found = watches.find(event.wd);
    if (found == watches.end()) return;   // of a directory that is watched no more
    const auto add = [&](const std::set<Interest>& who) {
      for (const Interest& interest : who) changes.emplace(interest.key, interest.path);
    };
    if (event.len > 0) {
      if (const auto named = found->second.find(event.name); named != found->second.end()) add(named->second);
      return;
    }
    for (const auto& [name, who] : found->second) add(who);   // of the directory itself: all that lies below
  }
  Changes read_events() const {
    Changes changes;
    alignas(inotify_event) std::array<char, 16384> buffer;
    // Bounded: a writer that is faster than this reader must not hold the loop.
    for (int reads = 0; reads < 64; ++reads) {
      const ssize_t size = read(inotify.get(), buffer.data(), buffer.size());
      if (size <= 0) break;
      for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
        const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        judge(*event, changes);
        at += sizeof(inotify_event) + event->len;
      }
    }
    return changes;
  }
  void on_readable() {
    const Changes changes = read_events();
    if (changes.empty()) return;
    rebuild();   // first, so that nothing is missed between what the callback looks at and the next event
    for (const auto& [key, path] : changes) changed(key, path);
  }
};

FileWatch::FileWatch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FileWatch::~FileWatch() { impl_->loop.remove_reader(impl_->inotify.get()); }

Result<std::unique_ptr<FileWatch>> FileWatch::create(EventLoop& loop, Callback changed) {
  UniqueFd inotify{inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
  if (!inotify) {
    Error error = errno_error("inotify_init1", "file watch", errno);
    if (error.sys_errno == EMFILE) error.remedy = "raise fs.inotify.max_user_instances with sysctl";
    return fail(std::move(error));
  }
  auto impl = std::make_unique<Impl>(Impl{.loop = loop, .changed = std::move(changed), .inotify = std::move(inotify),
                                          .interests = {}, .watches = {}, .failures = {}});
  PGCERTD_CHECK(loop.add_reader(impl->inotify.get(), [watch = impl.get()] { watch->on_readable(); },
                                {.interval = std::chrono::seconds{1}, .burst = 10}));
  return std::unique_ptr<FileWatch>(new FileWatch(std::move(impl)));
}

Result<void> FileWatch::set_paths(const std::string& key, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (!path.starts_with('/')) return fail(Errc::invalid, "file watch: \"" + path + "\" is not an absolute path");
  }
  std::erase_if(impl_->interests, [&](const Interest& interest) { return interest.key == key; });
  for (const std::string& path : paths) impl_->interests.insert({key, path});
  impl_->rebuild();
  for (const std::string& path : paths) {
    for (const auto& [directory, name] : watch_points(path)) {
      const auto failed = impl_->failures.find(directory);
      if (failed != impl_->failures.end()) return fail(Error{failed->second}.within("watching " + path));
    }
  }
  return {};
}

}  // namespace pgcertd::service
