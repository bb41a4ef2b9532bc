// Which directories must be watched so that any change of what a path leads to is seen. Reads the file system.
#pragma once

#include <set>
#include <string>
#include <utility>

namespace pgcertd::service {

// One directory (its real path) and the name in it whose coming, going or changing matters.
// An empty name: only that the directory itself is moved or removed.
using WatchPoint = std::pair<std::string, std::string>;

// For an absolute path. Follows symbolic links, each of which is watched where it stands; ends at the nearest existing
// directory when the rest of the path is missing.
std::set<WatchPoint> watch_points(const std::string& path);

}  // namespace pgcertd::service
