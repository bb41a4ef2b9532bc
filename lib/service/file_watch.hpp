// FileWatch: tells that files of interest may have changed: contents, owner, mode, the links and directories on the way.
// A hint that may come too often and never instead of the periodic pass. Loop thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "service/event_loop.hpp"

namespace pgcertd::service {

class FileWatch {
 public:
  // At most once for a key in a turn of the loop, and in a flood ten times a second; `path` is the first that changed.
  using Callback = std::function<void(const std::string& key, const std::string& path)>;

  // The loop must outlive it.
  static Result<std::unique_ptr<FileWatch>> create(EventLoop& loop, Callback changed);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Replaces the key's paths (absolute; they need not exist); none: forgets the key. An error names a directory that
  // cannot be watched; the others are watched all the same.
  Result<void> set_paths(const std::string& key, const std::vector<std::string>& paths);

 private:
  struct Impl;
  explicit FileWatch(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgcertd::service
