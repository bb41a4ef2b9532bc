// DerReader: one element of DER after the other, as views into bytes that somebody else holds. Strict: one-byte tags, definite lengths
// in their shortest form, nothing past the end. What it cannot read may still be BER that OpenSSL takes: the caller asks OpenSSL then.
// For this room only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgcertd::x509 {

namespace der {

constexpr std::uint8_t boolean = 0x01, integer = 0x02, bit_string = 0x03, octet_string = 0x04, object_id = 0x06, enumerated = 0x0a;
constexpr std::uint8_t utc_time = 0x17, generalized_time = 0x18, sequence = 0x30, context_0 = 0xa0, context_1 = 0xa1;

constexpr std::uint8_t octet(std::string_view bytes, std::size_t at) { return static_cast<std::uint8_t>(bytes[at]); }

// The header of an element with so many bytes of content.
std::string header(std::uint8_t tag, std::size_t size);

}  // namespace der

struct DerElement {
  std::uint8_t tag = 0;
  std::string_view content;
  std::string_view whole;        // header and content
};

class DerReader {
 public:
  explicit DerReader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool at(std::uint8_t tag) const { return !rest_.empty() && static_cast<std::uint8_t>(rest_.front()) == tag; }
  // nullopt: at the end, or what stands there cannot be read.
  std::optional<DerElement> next();
  // The same, and it must be of this tag.
  std::optional<DerElement> next(std::uint8_t tag) { return at(tag) ? next() : std::nullopt; }

 private:
  std::string_view rest_;
};

}  // namespace pgcertd::x509
