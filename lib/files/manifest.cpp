#include "files/manifest.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/hex.hpp"

namespace pgcertd::files {
namespace {

using nlohmann::json;

constexpr int format_version = 1;
constexpr std::size_t digest_digits = 64;
constexpr std::size_t time_length = 16;              // 20260101T000000Z
constexpr std::size_t most_hex_digits = 64;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_digest(std::string_view text) { return text.size() == digest_digits && std::all_of(text.begin(), text.end(), is_hex); }

bool is_public_name(std::string_view name) {
  return name == file_name(FileRole::certificate) || name == file_name(FileRole::root) || name == file_name(FileRole::crl);
}

// Throws json::exception where a member is missing or has another type; the caller turns that into an Error.
Manifest from_json(const json& top) {
  Manifest out;
  if (top.at("format").get<int>() != format_version) throw json::other_error::create(501, "unknown format", &top);
  const auto origin = parse_origin(top.at("origin").get<std::string>());
  const auto created = parse_rfc3339(top.at("created").get<std::string>());
  if (!origin || !created) throw json::other_error::create(501, "unknown origin or time", &top);
  out.origin = *origin;
  out.created = *created;
  out.number = top.at("number").get<std::uint64_t>();
  out.key_spki_sha256 = top.at("key_spki_sha256").get<std::string>();
  out.sha256 = top.at("sha256").get<std::map<std::string, std::string>>();
  return out;
}

bool plausible(const Manifest& m) {
  const bool names = std::all_of(m.sha256.begin(), m.sha256.end(),
                                 [](const auto& file) { return is_public_name(file.first) && is_digest(file.second); });
  return names && m.sha256.contains(std::string{file_name(FileRole::certificate)}) && is_digest(m.key_spki_sha256);
}

}  // namespace

std::string to_json(const Manifest& manifest) {
  const json top{{"format", format_version},  {"origin", to_string(manifest.origin)},
                 {"number", manifest.number}, {"created", to_rfc3339(manifest.created)},
                 {"sha256", manifest.sha256}, {"key_spki_sha256", manifest.key_spki_sha256}};
  return top.dump(2) + "\n";
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view path) {
  try {
    Manifest manifest = from_json(json::parse(text));
    if (plausible(manifest)) return manifest;
    return fail(Errc::parse, fmt::format("\"{}\" names files or digests that no generation has", path));
  } catch (const json::exception&) {
    return fail(Errc::parse, fmt::format("\"{}\" is no manifest of a generation", path));
  }
}

std::string sha256_hex(std::string_view bytes) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // It fails only without memory; an empty digest matches none.
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return {};
  return to_hex({digest.data(), size});
}

bool is_generation_id(std::string_view name) noexcept {
  if (name.size() <= time_length + 1 || name.size() > time_length + 1 + most_hex_digits) return false;
  for (std::size_t i = 0; i < time_length; ++i)
    if (i == 8 ? name[i] != 'T' : i == time_length - 1 ? name[i] != 'Z' : !is_digit(name[i])) return false;
  return name[time_length] == '-' && std::all_of(name.begin() + time_length + 1, name.end(), is_hex);
}

}  // namespace pgcertd::files
