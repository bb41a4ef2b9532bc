#include "pgcertd/system_random.hpp"

#include <sys/random.h>

#include <stdexcept>
#include <vector>

#include "base/hex.hpp"

namespace pgcertd::daemon {

std::string SystemRandom::hex(std::size_t bytes) {
  std::vector<std::uint8_t> buffer(bytes);
  // Up to 256 bytes come whole and uninterrupted once the pool is ready (getrandom(2)).
  if (::getrandom(buffer.data(), buffer.size(), 0) != static_cast<ssize_t>(buffer.size())) throw std::runtime_error("getrandom failed");
  return to_hex(buffer);
}

}  // namespace pgcertd::daemon
