// Port to randomness for names that must not collide (generation ids). Keys take theirs from OpenSSL.
#pragma once

#include <cstdint>
#include <string>

namespace pgcertd::ports {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::string hex(std::size_t bytes) = 0;
};

}  // namespace pgcertd::ports
