// StateLock: the right to be the one daemon of a state directory; held while the object lives, gone with the process.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace pgcertd::store {

class StateLock {
 public:
  explicit StateLock(UniqueFd fd) noexcept : fd_(std::move(fd)) {}

 private:
  UniqueFd fd_;
};

// Errc::busy names the process that holds it.
Result<StateLock> lock_state(const std::string& directory);

}  // namespace pgcertd::store
