#include "core/signing_policy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string stray_name(const ProfilePolicy& policy, const SigningAsked& asked) {
  if (policy.names.empty()) return {};
  const std::vector<std::string> all = asked.profile == SigningProfile::server ? all_names(asked.names) : std::vector{asked.common_name};
  const auto stray = std::ranges::find_if(all, [&](const std::string& name) { return std::ranges::none_of(policy.names, [&](const std::string& pattern) { return matches_pattern(pattern, name); }); });
  return stray == all.end() ? std::string{} : *stray;
}

std::string refusal(const ProfilePolicy& policy, const SigningAsked& asked) {
  if (const std::string stray = stray_name(policy, asked); !stray.empty()) return fmt::format("the policy has no pattern for the name \"{}\"", printable(stray, 253));
  if (policy.key_types.empty() || std::ranges::find(policy.key_types, asked.key_type) != policy.key_types.end()) return {};
  std::vector<std::string_view> allowed;
  for (const KeyType type : policy.key_types) allowed.push_back(to_string(type));
  return fmt::format("the policy allows no {} keys, but {}", asked.key_name, fmt::join(allowed, ", "));
}

}  // namespace

std::string_view to_string(SigningProfile profile) noexcept {
  switch (profile) {
    case SigningProfile::server: return "server";
    case SigningProfile::client: return "client";
    case SigningProfile::issuing: return "issuing";
  }
  return "server";
}

std::string_view described(SigningProfile profile) noexcept {
  switch (profile) {
    case SigningProfile::server: return "a server";
    case SigningProfile::client: return "a client";
    case SigningProfile::issuing: return "an issuing CA";
  }
  return "a server";
}

const ProfilePolicy& SigningPolicy::of(SigningProfile profile) const noexcept {
  if (profile == SigningProfile::issuing) return issuing;
  return profile == SigningProfile::client ? client : server;
}

bool matches_pattern(std::string_view pattern, std::string_view name) noexcept {
  std::size_t p = 0, n = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++, resume = n;
    } else if (p < pattern.size() && lower(pattern[p]) == lower(name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1, n = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

Ruling rule(const SigningPolicy& policy, const SigningAsked& asked) {
  const ProfilePolicy& profile = policy.of(asked.profile);
  Ruling out;
  out.lifetime = asked.lifetime > Duration::zero() ? asked.lifetime : profile.lifetime;
  if (out.lifetime > profile.max_lifetime) {
    out.changes.push_back(fmt::format("life {} instead of {}", to_text(profile.max_lifetime), to_text(out.lifetime)));
    out.lifetime = profile.max_lifetime;
  }
  out.refused = refusal(profile, asked);
  out.needs_a_person = !asked.known_key && profile.new_keys == Consent::ask;
  return out;
}

std::string default_policy_text() {
  return R"(# What this root signs. Read by pgcertctl ca sign and ca session; --policy names another file.

[server]
lifetime = "90d"          # where the request does not say
max_lifetime = "398d"     # a longer wish is cut to this
names = []                # patterns: "*.db.example.org", "10.0.*"; none: any name
key_types = []            # none: any; else some of ecdsa-p256 ecdsa-p384 rsa-2048 rsa-3072 rsa-4096 ed25519
new_keys = "allow"        # allow: --yes is enough | ask: a person at a terminal compares the fingerprint

[client]
lifetime = "90d"
max_lifetime = "398d"
names = []                # of the role, which becomes the common name
key_types = []
new_keys = "allow"

[issuing]
lifetime = "730d"
max_lifetime = "1825d"
names = []                # of the common name
key_types = []
new_keys = "ask"          # a key that this root never signed could sign for everybody
)";
}

}  // namespace pgcertd
