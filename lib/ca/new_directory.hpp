// NewDirectory: a directory that is filled beside its place (0700) and moved there by one rename. Removed with all that is
// in it when it is destroyed before keep(). One object a thread.
#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcertd::ca {

class NewDirectory {
 public:
  // Errc::exists when `target` is there and is not an empty directory; nothing is made then.
  static Result<void> check_free(const std::string& target);
  static Result<NewDirectory> make(const std::string& target);
  NewDirectory(NewDirectory&& other) noexcept;
  NewDirectory& operator=(NewDirectory&&) = delete;
  ~NewDirectory();

  [[nodiscard]] const std::string& path() const { return path_; }
  // For root only: everything in it shall belong to the owner of the empty directory that it replaces, or else of the
  // directory that it stands in.
  Result<void> give_to_owner_of_place();
  // Durable at its place when it returns. Still removed by the destructor.
  Result<void> publish();
  void keep() { path_.clear(); }

 private:
  NewDirectory(std::string target, std::string path) : target_(std::move(target)), path_(std::move(path)) {}
  std::string target_;
  std::string path_;                   // where it is now; empty: kept, or moved from
};

}  // namespace pgcertd::ca
