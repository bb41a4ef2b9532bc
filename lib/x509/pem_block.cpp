#include "x509/pem_block.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "x509/asn1.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::size_t max_blocks = 10'000;
constexpr std::size_t line_chars = 64, line_octets = 48;
constexpr std::size_t long_line = 250;   // OpenSSL reads lines of 254 characters; it goes on with the rest of a longer one as if it were a line

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint32_t no_digit = 0x01000000;

// The value of each character at each of the four places of a group, so that a group is four look-ups and one test.
using Digits = std::array<std::array<std::uint32_t, 256>, 4>;
constexpr Digits digits = [] {
  Digits out{};
  for (auto& place : out) place.fill(no_digit);
  for (std::uint32_t i = 0; i < 64; ++i)
    for (std::uint32_t place = 0; place < 4; ++place) out[place][static_cast<unsigned char>(alphabet[i])] = i << (18 - 6 * place);
  return out;
}();

bool decode_group(const char* in, char* out) {
  const auto at = [in](std::size_t i) { return digits[i][static_cast<unsigned char>(in[i])]; };
  const std::uint32_t group = at(0) | at(1) | at(2) | at(3);
  out[0] = static_cast<char>(group >> 16 & 0xff);
  out[1] = static_cast<char>(group >> 8 & 0xff);
  out[2] = static_cast<char>(group & 0xff);
  return group < no_digit;
}

bool decode_groups(std::string_view text, char* out) {
  bool good = true;
  for (std::size_t i = 0; i < text.size(); i += 4, out += 3) good = decode_group(text.data() + i, out) && good;
  return good;
}

// The last line: one to sixteen groups, the very last of them perhaps padded.
std::optional<std::size_t> decode_last_line(std::string_view text, char* out) {
  if (text.empty() || text.size() > line_chars || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::array<char, line_chars> line{};
  std::ranges::copy(text, line.begin());
  std::fill_n(line.begin() + static_cast<std::ptrdiff_t>(text.size() - padding), padding, 'A');
  std::array<char, line_octets> octets{};
  if (!decode_groups({line.data(), text.size()}, octets.data())) return std::nullopt;
  const std::size_t size = text.size() / 4 * 3 - padding;
  std::copy_n(octets.begin(), size, out);
  return size;
}

// Takes `expected` away from the front.
bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool take_line_end(std::string_view& text) { return take(text, "\n") || take(text, "\r\n"); }

// The lines of a block up to its end. `room` has space for all that they could say.
std::optional<std::size_t> decode_lines(std::string_view& text, char* room) {
  std::size_t size = 0;
  while (text.size() > line_chars && (text[line_chars] == '\n' || text[line_chars] == '\r')) {
    const std::string_view line = text.substr(0, line_chars);
    std::string_view rest = text.substr(line_chars);
    if (!take_line_end(rest)) return std::nullopt;
    if (rest.starts_with('-')) break;                       // the last one, which may be padded
    if (!decode_groups(line, room + size)) return std::nullopt;
    size += line_octets;
    text = rest;
  }
  const auto last = decode_last_line(text.substr(0, text.find_first_of("\r\n")), room + size);
  if (!last) return std::nullopt;
  text.remove_prefix(text.find_first_of("\r\n"));
  return take_line_end(text) ? std::optional(size + *last) : std::nullopt;
}

}  // namespace

std::string pem_text(std::string_view label, std::string_view der) {
  std::string out;
  out.reserve((der.size() + line_octets - 1) / line_octets * (line_chars + 1) + 2 * label.size() + 64);
  out += fmt::format("-----BEGIN {}-----\n", label);
  for (std::size_t i = 0; i < der.size(); i += line_octets) {
    const std::string_view octets = der.substr(i, line_octets);
    std::array<unsigned char, line_chars + 1> line{};
    const int size = EVP_EncodeBlock(line.data(), reinterpret_cast<const unsigned char*>(octets.data()), static_cast<int>(octets.size()));
    out.append(reinterpret_cast<const char*>(line.data()), static_cast<std::size_t>(size));
    out += '\n';
  }
  return out += fmt::format("-----END {}-----\n", label);
}

std::size_t text_before_block(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    const std::string_view rest = bytes.substr(at, long_line);
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos || rest.starts_with('-')) break;
    at += end + 1;
  }
  return at;
}

std::optional<PemBlock> read_pem_block(std::string_view bytes, std::string_view label) {
  std::string_view text = bytes;
  if (!take(text, fmt::format("-----BEGIN {}-----", label)) || !take_line_end(text)) return std::nullopt;
  // No character that belongs to the block's body is a '-'.
  const std::size_t body = text.find('-');
  if (body == std::string_view::npos) return std::nullopt;
  PemBlock out;
  out.der.resize(body / 4 * 3 + line_octets);
  const auto size = decode_lines(text, out.der.data());
  if (!size || !take(text, fmt::format("-----END {}-----", label)) || !(text.empty() || take_line_end(text))) return std::nullopt;
  out.der.resize(*size);
  out.size = bytes.size() - text.size();
  return out;
}

Result<void> check_room_for_block(std::size_t read, std::string_view name) {
  if (read < max_blocks) return {};
  return fail(Errc::parse, fmt::format("\"{}\" holds more than {} blocks", name, max_blocks));
}

Result<void> check_end_of_blocks(std::size_t read, std::string_view what, std::string_view name) {
  if (!pem_ended()) return fail(openssl_error("PEM_read_bio", fmt::format("{}, {} {}", name, what, read + 1), Errc::parse));
  if (read == 0) return fail(Errc::parse, fmt::format("no {} in \"{}\"", what, name));
  return {};
}

}  // namespace pgcertd::x509
