// Covers lib/service/file_watch.*, watch_points.*
#include "service/file_watch.hpp"

#include <fcntl.h>
#include <sys/inotify.h>

#include <algorithm>
#include <map>
#include <thread>
#include <vector>

#include "service/watch_points.hpp"
#include "unit/service/support.hpp"

namespace pgcertd::service::test {
namespace {

// A loop with a watch, and a record of what it told.
struct Watched {
  std::unique_ptr<EventLoop> loop = make_loop();
  std::map<std::string, int> told;
  std::vector<std::string> paths;
  std::string stop_at;
  std::unique_ptr<FileWatch> watch = *FileWatch::create(*loop, [this](const std::string& key, const std::string& path) {
    ++told[key];
    paths.push_back(path);
    if (key == stop_at) loop->stop();
  });

  void set(const std::string& key, const std::vector<std::string>& files) {
    const auto result = watch->set_paths(key, files);
    EXPECT_TRUE(result) << result.error().text();
  }
  // Whether a change of `key` is told while the loop runs.
  bool tells(const std::string& key) {
    stop_at = key;
    return run_within(*loop);
  }
  // Whether nothing is told for a short while.
  bool keeps_silent() {
    EXPECT_TRUE(loop->set_timer("silence", wall_now() + milliseconds{80}, [this] { loop->stop(); }));
    return run_within(*loop) && told.empty();
  }
};

class FileWatchChange : public testing::TestWithParam<std::pair<const char*, void (*)(const TempDir&)>> {};

// D/state/{a -> 1, current -> gen1, gen1/server.crt, gen2/server.crt}; watched: D/state/current/server.crt and D/state/absent/x/y.
void make_tree(const TempDir& dir) {
  for (const char* generation : {"state/gen1", "state/gen2"}) {
    fs::create_directories(dir.path(generation));
    write_file(dir.path(generation) + "/server.crt", generation);
  }
  fs::create_symlink("gen1", dir.path("state/current"));
}

TEST_P(FileWatchChange, IsTold) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("main", {dir.path("state/current/server.crt"), dir.path("state/absent/x/y")});
  GetParam().second(dir);
  EXPECT_TRUE(watched.tells("main"));
  EXPECT_EQ(watched.told["main"], 1) << "debounced: one turn, one call";
}

INSTANTIATE_TEST_SUITE_P(
    Each, FileWatchChange,
    testing::Values(
        std::pair{"rewritten", +[](const TempDir& d) { write_file(d.path("state/gen1/server.crt"), "new"); }},
        std::pair{"mode", +[](const TempDir& d) { chmod(d.path("state/gen1/server.crt").c_str(), 0644); }},
        std::pair{"removed", +[](const TempDir& d) { fs::remove(d.path("state/gen1/server.crt")); }},
        std::pair{"replaced_by_rename", +[](const TempDir& d) {
                    write_file(d.path("state/gen1/.tmp"), "x");
                    fs::rename(d.path("state/gen1/.tmp"), d.path("state/gen1/server.crt"));
                  }},
        std::pair{"link_swapped_by_rename", +[](const TempDir& d) {
                    fs::create_symlink("gen2", d.path("state/.next"));
                    fs::rename(d.path("state/.next"), d.path("state/current"));
                  }},
        std::pair{"link_removed", +[](const TempDir& d) { fs::remove(d.path("state/current")); }},
        std::pair{"directory_mode", +[](const TempDir& d) { chmod(d.path("state/gen1").c_str(), 0755); }},
        std::pair{"target_directory_moved", +[](const TempDir& d) { fs::rename(d.path("state/gen1"), d.path("state/elsewhere")); }},
        std::pair{"ancestor_moved", +[](const TempDir& d) { fs::rename(d.path("state"), d.path("moved")); }},
        std::pair{"all_removed", +[](const TempDir& d) { fs::remove_all(d.path("state")); }},
        std::pair{"missing_directory_made", +[](const TempDir& d) { fs::create_directory(d.path("state/absent")); }}),
    [](const auto& param) { return param.param.first; });

TEST(FileWatch, WatchesOnAfterASwapAndAfterADirectoryCameBack) {
  const TempDir dir;
  make_tree(dir);
  auto loop = make_loop();
  std::vector<std::function<void()>> steps = {
      [&] { fs::create_symlink("gen2", dir.path("state/.next")); fs::rename(dir.path("state/.next"), dir.path("state/current")); },
      [&] { write_file(dir.path("state/gen2/server.crt"), "in the new generation"); },
      [&] { fs::remove_all(dir.path("state")); },
      [&] { fs::create_directory(dir.path("state")); },
      [&] { fs::create_directory(dir.path("state/current")); },
      [&] { write_file(dir.path("state/current/server.crt"), "it is back"); },
      [&] { write_file(dir.path("state/current/server.crt"), "and again"); },
      [&] { loop->stop(); },
  };
  std::size_t next = 0;
  const auto do_next = [&] { if (next < steps.size()) steps[next++](); };
  auto watch = *FileWatch::create(*loop, [&](const std::string&, const std::string&) { do_next(); });
  ASSERT_TRUE(watch->set_paths("main", {dir.path("state/current/server.crt")}));
  do_next();
  EXPECT_TRUE(run_within(*loop)) << "nothing was told after step " << next;
  EXPECT_EQ(next, steps.size());
}

TEST(FileWatch, NeighboursAndForgottenKeysAreSilent) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("main", {dir.path("state/gen1/server.crt")});
  watched.set("other", {dir.path("state/gen2/server.crt")});
  watched.set("other", {});
  write_file(dir.path("state/gen1/server.log"), "a neighbour");
  write_file(dir.path("state/gen2/server.crt"), "of a forgotten key");
  fs::create_directory(dir.path("state/unrelated"));
  EXPECT_TRUE(watched.keeps_silent());
}

TEST(FileWatch, EachKeyIsToldOnceOfManyChanges) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  const std::string shared = dir.path("state/gen1/server.crt");
  watched.set("a", {shared, dir.path("state/gen2/server.crt")});
  watched.set("b", {shared});
  for (int i = 0; i < 50; ++i) write_file(shared, std::to_string(i));
  write_file(dir.path("state/gen2/server.crt"), "x");
  EXPECT_TRUE(watched.tells("b"));
  EXPECT_EQ(watched.told, (std::map<std::string, int>{{"a", 1}, {"b", 1}}));
}

TEST(FileWatch, ReplacingPathsWatchesTheNewOnesOnly) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("main", {dir.path("state/gen1/server.crt")});
  watched.set("main", {dir.path("state/gen2/server.crt")});
  write_file(dir.path("state/gen1/server.crt"), "old");
  write_file(dir.path("state/gen2/server.crt"), "new");
  EXPECT_TRUE(watched.tells("main"));
  EXPECT_EQ(watched.paths, std::vector<std::string>{dir.path("state/gen2/server.crt")});
}

TEST(FileWatch, AnOverflowMeansThatEverythingChanged) {
  std::size_t queue = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queue;
  ASSERT_GT(queue, 0U);
  if (queue > 200'000) GTEST_SKIP() << "max_queued_events is " << queue << ": too many events to overflow it in a test";
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("flooded", {dir.path("state/gen1/x"), dir.path("state/gen1/y")});
  watched.set("quiet", {dir.path("state/gen2/server.crt")});
  // Equal events that follow each other are merged: take turns.
  write_file(dir.path("state/gen1/x"), "");
  write_file(dir.path("state/gen1/y"), "");
  for (std::size_t i = 0; i <= queue; ++i) chmod(dir.path(i % 2 != 0 ? "state/gen1/x" : "state/gen1/y").c_str(), 0600);
  EXPECT_TRUE(watched.tells("quiet"));
}

TEST(FileWatch, AFloodIsNoHotLoop) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("main", {dir.path("state/gen1/server.crt")});
  std::atomic<bool> done{false};
  std::thread writer([&] { while (!done) write_file(dir.path("state/gen1/server.crt"), "x"); });
  ASSERT_TRUE(watched.loop->set_timer("end", wall_now() + milliseconds{1500}, [&] { watched.loop->stop(); }));
  EXPECT_TRUE(run_within(*watched.loop));
  done = true;
  writer.join();
  EXPECT_GE(watched.told["main"], 2);
  EXPECT_LE(watched.told["main"], 25);
  EXPECT_LE(watched.loop->wakeups(), 40U);
}

TEST(FileWatch, ItsOwnWatchingIsNoChange) {
  const TempDir dir;
  make_tree(dir);
  Watched watched;
  watched.set("main", {dir.path("state/current/server.crt")});
  for (int i = 0; i < 5; ++i) watched.set("other", {dir.path(i % 2 != 0 ? "state/gen1/a" : "state/gen2/b")});
  EXPECT_TRUE(watched.keeps_silent());
}

TEST(FileWatch, RelativePathsAreRefused) {
  Watched watched;
  EXPECT_EQ(watched.watch->set_paths("main", {"server.crt"}).error().code, Errc::invalid);
}

TEST(FileWatch, HostilePathsEnd) {
  const TempDir dir;
  fs::create_symlink("loop", dir.path("loop"));
  write_file(dir.path("plain"), "");
  Watched watched;
  watched.set("main", {dir.path("loop/x"), dir.path("plain/below/a/file"), "/", dir.path(std::string(300, 'n')), "/../..//./etc/"});
  EXPECT_TRUE(watched.keeps_silent());
  fs::remove(dir.path("plain"));
}

TEST(WatchPoints, FollowLinksAndEndAtTheNearestExistingParent) {
  const TempDir dir;
  const std::string real = fs::canonical(dir.path()).string();
  fs::create_directories(dir.path("d/gen1"));
  write_file(dir.path("d/gen1/file"), "");
  fs::create_symlink("gen1", dir.path("d/current"));
  fs::create_symlink(real + "/d/current/file", dir.path("absolute"));
  fs::create_symlink("../d/gen1", dir.path("d/up"));
  const auto has = [&](const std::string& path, const std::string& in, const std::string& name) {
    return watch_points(real + path).count({in.empty() ? real : real + in, name}) == 1;
  };
  EXPECT_TRUE(has("/d/current/file", "/d", "current"));
  EXPECT_TRUE(has("/d/current/file", "/d/gen1", "file"));
  EXPECT_TRUE(has("/d/current/file", "/d/gen1", ""));
  EXPECT_TRUE(has("/absolute", "", "absolute"));
  EXPECT_TRUE(has("/absolute", "/d", "current"));
  EXPECT_TRUE(has("/absolute", "/d/gen1", "file"));
  EXPECT_TRUE(has("/d/up/file", "/d/gen1", "file"));
  EXPECT_TRUE(has("/d/none/x/y", "/d", "none"));
  EXPECT_FALSE(has("/d/none/x/y", "/d/none", "x"));
  EXPECT_TRUE(has("/d/gen1/../gen1/file", "/d/gen1", "file"));
}

}  // namespace
}  // namespace pgcertd::service::test
