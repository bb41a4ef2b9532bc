#include "base/unique_fd.hpp"

#include <unistd.h>

namespace pgcertd {

void UniqueFd::reset(int fd) noexcept {
  const int old = std::exchange(fd_, fd);
  // Linux releases the descriptor even when close() reports an error: a retry could close somebody else's.
  if (old >= 0) (void)::close(old);
}

}  // namespace pgcertd
