#include "x509/known_certificates.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

namespace pgcertd::x509 {
namespace {

// Bytes and not their hash: a comparison is cheaper, and nobody can make two that collide.
class Known {
 public:
  std::optional<std::vector<Certificate>> find(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find(texts_, bytes, &Text::bytes);
    if (found == texts_.end()) return std::nullopt;
    std::rotate(texts_.begin(), found, found + 1);   // the one that was asked for last is forgotten last
    return texts_.front().said;
  }
  void keep(std::string_view bytes, const std::vector<Certificate>& said) {
    const std::lock_guard lock(mutex_);
    texts_.push_front({std::string(bytes), said});
    if (texts_.size() > most) texts_.pop_back();
  }

 private:
  static constexpr std::size_t most = 32;
  struct Text {
    std::string bytes;
    std::vector<Certificate> said;
  };
  std::mutex mutex_;
  std::deque<Text> texts_;
};

// A server's certificate file may hold its key, too, which must not stay in memory: only what is certificates and nothing else is kept.
bool is_public(std::string_view bytes, std::size_t certificates) {
  constexpr std::string_view begin = "-----BEGIN ";
  std::size_t blocks = 0;
  for (auto at = bytes.find(begin); at != std::string_view::npos; at = bytes.find(begin, at + begin.size())) ++blocks;
  return blocks == certificates && bytes.find("PRIVATE KEY") == std::string_view::npos;
}

// A bundle of the whole web's roots is no text of ours, and not read at each look.
constexpr std::size_t largest = 32U << 10U;

}  // namespace

Result<std::vector<Certificate>> known_certificates(std::string_view bytes, std::string_view name) {
  static Known known;
  if (auto said = known.find(bytes)) return std::move(*said);
  auto read = parse_certificates(bytes, name);   // an error is not remembered: it names the file
  if (read && bytes.size() <= largest && is_public(bytes, read->size())) known.keep(bytes, *read);
  return read;
}

}  // namespace pgcertd::x509
