// The kernel's randomness, for names that must not collide.
#pragma once

#include "ports/random.hpp"

namespace pgcertd::daemon {

class SystemRandom final : public ports::Random {
 public:
  std::string hex(std::size_t bytes) override;
};

}  // namespace pgcertd::daemon
