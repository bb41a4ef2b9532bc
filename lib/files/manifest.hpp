// manifest.json: what a generation was when it was made. Written last, so that a generation with one is whole. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/generation.hpp"

namespace pgcertd::files {

constexpr std::string_view manifest_name = "manifest.json";

struct Manifest {
  Origin origin = Origin::issued;
  std::uint64_t number = 0;
  TimePoint created{};
  std::map<std::string, std::string> sha256;   // of each public file, by name; a digest of the key would help to guess it
  std::string key_spki_sha256;
  bool operator==(const Manifest&) const = default;
};

std::string to_json(const Manifest& manifest);
// Names and digests that cannot be ours are an error.
Result<Manifest> parse_manifest(std::string_view text, std::string_view path);
std::string sha256_hex(std::string_view bytes);

// "20260101T000000Z-3f9a1b2c": the only names that are taken for generations.
bool is_generation_id(std::string_view name) noexcept;

}  // namespace pgcertd::files
