#include "x509/digest_ahead.hpp"

#include <array>
#include <system_error>

namespace pgcertd::x509 {
namespace {

constexpr std::size_t worth_a_thread = 1U << 20U;

std::string take(std::string_view bytes, const EVP_MD* digest) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, digest, nullptr) != 1) return {};
  return {out.begin(), out.begin() + size};
}

}  // namespace

DigestAhead::DigestAhead(std::string_view bytes, const EVP_MD* digest) {
  if (digest == nullptr || bytes.size() < worth_a_thread) return;
  try {
    taken_ = std::async(std::launch::async, take, bytes, digest).share();
  } catch (const std::system_error&) {   // no thread just now
  }
}

std::string DigestAhead::get() const { return taken_.valid() ? taken_.get() : std::string(); }

}  // namespace pgcertd::x509
