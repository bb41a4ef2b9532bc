// Secret: bytes that are wiped when they go (private keys in PEM, passphrases). Not copyable, never printed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace pgcertd {

class Secret {
 public:
  Secret() = default;
  // Copies `bytes`; the source stays the caller's to wipe.
  explicit Secret(std::string_view bytes);
  // Zeroed room of `size` bytes, to be filled through data().
  static Secret with_size(std::size_t size);
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), bytes_.size()}; }
  [[nodiscard]] char* data() noexcept { return bytes_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
  [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
  [[nodiscard]] Secret clone() const { return Secret(view()); }
  // Shortens to the first `size` bytes and wipes the rest.
  void truncate(std::size_t size) noexcept;

 private:
  void wipe() noexcept;
  std::vector<char> bytes_;
};

// Overwrites what a library left behind in a plain string.
void wipe(std::string& text) noexcept;

}  // namespace pgcertd
