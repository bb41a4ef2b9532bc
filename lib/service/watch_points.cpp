#include "service/watch_points.hpp"

#include <sys/stat.h>

#include <deque>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace pgcertd::service {
namespace {

constexpr int most_links = 40;   // as the kernel: ELOOP beyond

std::deque<std::string> components(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

std::string joined(const std::string& directory, const std::string& name) {
  return directory == "/" ? directory + name : directory + '/' + name;
}

std::string parent(const std::string& directory) {
  const auto slash = directory.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : directory.substr(0, slash);
}

}  // namespace

std::set<WatchPoint> watch_points(const std::string& path) {
  std::set<WatchPoint> points;
  std::string directory = "/";
  auto rest = components(path);
  for (int links = 0; !rest.empty();) {
    const std::string name = rest.front();
    rest.pop_front();
    if (name == "..") {
      directory = parent(directory);   // correct by text, as `directory` holds no link
      continue;
    }
    const std::string full = joined(directory, name);
    struct stat seen {};
    const bool there = lstat(full.c_str(), &seen) == 0;
    if (there && S_ISDIR(seen.st_mode) && !rest.empty()) {
      points.emplace(full, "");
      directory = full;
      continue;
    }
    points.emplace(directory, name);
    if (!there || !S_ISLNK(seen.st_mode) || ++links > most_links) break;
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(full, error).string();
    if (error) break;   // it went away just now, which the point above shows
    auto more = components(target);
    rest.insert(rest.begin(), more.begin(), more.end());
    if (target.starts_with('/')) directory = "/";
  }
  return points;
}

}  // namespace pgcertd::service
