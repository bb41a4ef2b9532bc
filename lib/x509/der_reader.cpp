#include "x509/der_reader.hpp"

namespace pgcertd::x509 {
namespace {

using der::octet;

struct Length {
  std::size_t value = 0, octets = 0;
};

// Four octets say more than we ever read (max_input).
std::optional<Length> read_length(std::string_view bytes) {
  if (bytes.empty()) return std::nullopt;
  const std::uint8_t first = octet(bytes, 0);
  if (first < 0x80) return Length{first, 1};
  const std::size_t count = first & 0x7fU;
  if (count == 0 || count > 4 || bytes.size() <= count) return std::nullopt;
  std::size_t value = 0;
  for (std::size_t i = 1; i <= count; ++i) value = value << 8 | octet(bytes, i);
  const bool shortest = octet(bytes, 1) != 0 && value >= 0x80;
  return shortest ? std::optional(Length{value, count + 1}) : std::nullopt;
}

}  // namespace

std::string der::header(std::uint8_t tag, std::size_t size) {
  std::string out(1, static_cast<char>(tag));
  if (size < 0x80) return out += static_cast<char>(size);
  std::string octets;
  for (std::size_t left = size; left > 0; left >>= 8) octets.insert(octets.begin(), static_cast<char>(left & 0xff));
  out += static_cast<char>(0x80 | octets.size());
  return out += octets;
}

std::optional<DerElement> DerReader::next() {
  if (rest_.size() < 2) return std::nullopt;
  const std::uint8_t tag = octet(rest_, 0);
  if ((tag & 0x1f) == 0x1f) return std::nullopt;   // a tag of several bytes; nothing that we read has one
  const auto length = read_length(rest_.substr(1));
  if (!length || rest_.size() - 1 - length->octets < length->value) return std::nullopt;
  const std::size_t head = 1 + length->octets;
  const DerElement out{tag, rest_.substr(head, length->value), rest_.substr(0, head + length->value)};
  rest_.remove_prefix(out.whole.size());
  return out;
}

}  // namespace pgcertd::x509
