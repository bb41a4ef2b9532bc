// FNV-1a of some texts: the same on all machines and over restarts. For jitter and for noticing a change, not for secrets.
#pragma once

#include <cstdint>
#include <string_view>

namespace pgcertd {

class Fnv1a {
 public:
  // "ab","c" and "a","bc" are told apart.
  Fnv1a& add(std::string_view text) noexcept {
    if (!first_) step('\n');
    first_ = false;
    for (const char c : text) step(static_cast<unsigned char>(c));
    return *this;
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_; }

 private:
  void step(unsigned char byte) noexcept { value_ = (value_ ^ byte) * 1099511628211ULL; }
  std::uint64_t value_ = 14695981039346656037ULL;
  bool first_ = true;
};

}  // namespace pgcertd
