// SigningPolicy: what a root's side signs for whom, as policy.toml in the root's directory says it. Pure: a request and the policy
// give a ruling, which people see before they agree, and under which a script may say --yes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/cert.hpp"

namespace pgcertd {

// What a certificate is for.
enum class SigningProfile : std::uint8_t { server, client, issuing };
std::string_view to_string(SigningProfile profile) noexcept;     // "server", "client", "issuing": sections of the policy too
std::string_view described(SigningProfile profile) noexcept;     // "a server", "a client", "an issuing CA"

enum class Consent : std::uint8_t {
  allow,     // a script's --yes is enough
  ask,       // a person at a terminal agrees
};

struct ProfilePolicy {
  Duration lifetime{};                   // where the request does not say
  Duration max_lifetime{};               // a longer one is cut to it
  std::vector<std::string> names{};      // patterns, "*" for any run of characters; none: any name
  std::vector<KeyType> key_types{};      // none: any that pgcertd knows
  Consent new_keys = Consent::allow;     // a key that neither this root nor a certificate of its signed before
  bool operator==(const ProfilePolicy&) const = default;
};

struct SigningPolicy {
  ProfilePolicy server{std::chrono::days{90}, std::chrono::days{398}};
  ProfilePolicy client{std::chrono::days{90}, std::chrono::days{398}};
  ProfilePolicy issuing{std::chrono::days{730}, std::chrono::days{5 * 365}, {}, {}, Consent::ask};
  [[nodiscard]] const ProfilePolicy& of(SigningProfile profile) const noexcept;
  bool operator==(const SigningPolicy&) const = default;
};

struct SigningAsked {
  SigningProfile profile = SigningProfile::server;
  std::string common_name;               // an issuing CA's; a client's role
  Names names;
  Duration lifetime{};                   // zero: the request does not say
  KeyType key_type = KeyType::other;
  std::string key_name;
  bool known_key = false;                // signed by this root before, or vouched for by a certificate of its
};

struct Ruling {
  Duration lifetime{};
  std::vector<std::string> changes;      // what is not as it was asked for
  std::string refused;                   // why it is not signed at all; empty: it may be
  bool needs_a_person = false;
};
Ruling rule(const SigningPolicy& policy, const SigningAsked& asked);

// "*" stands for any run of characters, none included; letters in either case.
bool matches_pattern(std::string_view pattern, std::string_view name) noexcept;

// policy.toml as a new root gets it, each key explained.
std::string default_policy_text();

}  // namespace pgcertd
