// Paths that strangers chose, walked one component at a time: a symbolic link is followed only when root or we made it,
// and every directory on the way is remembered. Nothing is opened but for its attributes. Any thread.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "core/permissions.hpp"

namespace pgcertd::files {

struct Resolved {
  std::string path;                       // without links, "." and ".."
  std::string name;                       // last component
  struct stat seen {};                    // what stands there; never a link
  UniqueFd parent;                        // O_PATH, of the directory that holds it
  std::vector<struct stat> inside;        // the directories from / down that hold it
  std::vector<FileSeen> passed;           // every directory that was searched on the way
};

// Refused: a relative path, a link of somebody else, more than 40 links.
Result<Resolved> resolve(const std::string& path);
// Opens what was resolved for reading: a regular file, still the same one.
Result<UniqueFd> open_resolved(const Resolved& file);

}  // namespace pgcertd::files
