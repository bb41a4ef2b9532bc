#include "x509/pem_block.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

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

// One to sixteen groups, the very last of them perhaps padded; `out` is as before where they are not good.
std::optional<std::size_t> decode_line(std::string_view text, char* out) {
  if (text.empty() || text.size() > line_chars || text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::array<char, line_chars> line;   // NOLINT(cppcoreguidelines-pro-type-member-init): of a million lines, each is filled
  std::ranges::copy(text, line.begin());
  std::fill_n(line.begin() + static_cast<std::ptrdiff_t>(text.size() - padding), padding, 'A');
  std::array<char, line_octets> octets;   // NOLINT(cppcoreguidelines-pro-type-member-init): as above
  bool good = true;
  for (std::size_t i = 0; i < text.size() / 4; ++i) good = decode_group(line.data() + 4 * i, octets.data() + 3 * i) && good;
  if (!good) return std::nullopt;
  const std::size_t size = text.size() / 4 * 3 - padding;
  std::copy_n(octets.begin(), size, out);
  return size;
}

// The front of `text` where it is a full line without padding, as all but the last one are, straight to its place. The line is read
// before its octets are written, as `out` may lie in it.
bool decode_full_line(std::string_view text, char* out) {
  if (text.size() <= line_chars || text[line_chars] != '\n') return false;
  std::array<char, line_octets> octets;   // NOLINT(cppcoreguidelines-pro-type-member-init): as above
  bool good = true;
  for (std::size_t i = 0; i < line_chars / 4; ++i) good = decode_group(text.data() + 4 * i, octets.data() + 3 * i) && good;
  if (good) std::copy_n(octets.begin(), line_octets, out);
  return good;
}

// Takes `expected` away from the front.
bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

bool take_line_end(std::string_view& text) { return take(text, "\n") || take(text, "\r\n"); }

// The lines of a block's body, as far as they are good: those are taken from `text`, and `size` says what they came to. `room` may be
// where the text itself begins, as four characters are read before they become three.
bool decode_lines(std::string_view& text, char* room, std::size_t& size) {
  while (!text.empty()) {
    if (decode_full_line(text, room + size)) {
      text.remove_prefix(line_chars + 1);
      size += line_octets;
      continue;
    }
    const std::size_t end = std::min(text.find('\n'), line_chars + 1);   // the line, and perhaps a CR
    std::string_view line = text.substr(0, end), rest = text.substr(std::min(end, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!take(rest, "\n") || (!rest.empty() && line.size() != line_chars)) return false;
    const auto octets = decode_line(line, room + size);
    if (!octets || (!rest.empty() && *octets != line_octets)) return false;
    size += *octets;
    text = rest;
  }
  return size > 0;
}

std::string begin_line(std::string_view label) { return fmt::format("-----BEGIN {}-----", label); }

// Cuts a block of `label` that `bytes` begin with into its body and what comes after it.
struct Cut {
  std::string_view body, rest;
};
std::optional<Cut> cut_block(std::string_view bytes, std::string_view label) {
  if (!take(bytes, begin_line(label)) || !take_line_end(bytes)) return std::nullopt;
  // No character that belongs to a body is a '-'.
  const std::size_t size = std::min(bytes.find('-'), bytes.size());
  std::string_view rest = bytes.substr(size);
  if (!take(rest, fmt::format("-----END {}-----", label)) || !(rest.empty() || take_line_end(rest))) return std::nullopt;
  return Cut{bytes.substr(0, size), rest};
}

void append_lines(std::string& out, std::string_view der) {
  for (std::size_t i = 0; i < der.size(); i += line_octets) {
    const std::string_view octets = der.substr(i, line_octets);
    std::array<unsigned char, line_chars + 1> line{};
    const int size = EVP_EncodeBlock(line.data(), reinterpret_cast<const unsigned char*>(octets.data()), static_cast<int>(octets.size()));
    out.append(reinterpret_cast<const char*>(line.data()), static_cast<std::size_t>(size));
    out += '\n';
  }
}

}  // namespace

std::string pem_text(std::string_view label, std::string_view der) {
  std::string out = begin_line(label) + "\n";
  out.reserve(pem_size(der.size()) + 2 * out.size());
  append_lines(out, der);
  out += fmt::format("-----END {}-----\n", label);
  return out;
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
  const auto cut = cut_block(bytes, label);
  if (!cut) return std::nullopt;
  PemBlock out;
  out.der.resize(cut->body.size() / 4 * 3);
  std::string_view body = cut->body;
  std::size_t size = 0;
  if (!decode_lines(body, out.der.data(), size)) return std::nullopt;
  out.der.resize(size);
  out.size = bytes.size() - cut->rest.size();
  return out;
}

std::optional<std::string> take_only_block(std::string& bytes, std::string_view label) {
  const auto cut = cut_block(bytes, label);
  if (!cut || !cut->rest.empty()) return std::nullopt;
  std::string_view body = cut->body;
  std::size_t size = 0;
  if (decode_lines(body, bytes.data(), size)) {
    bytes.resize(size);
    return std::exchange(bytes, {});
  }
  // What was overwritten says nothing but what was decoded.
  const std::string left(body.data(), static_cast<std::size_t>(bytes.data() + bytes.size() - body.data()));
  std::string same = begin_line(label) + "\n";
  append_lines(same, std::string_view(bytes).substr(0, size));
  bytes = same + left;
  return std::nullopt;
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
