// Any bytes as policy.toml of a root: it is refused whole, or no life is longer than it says and no bound is lost.
#include "config/policy.hpp"
#include "fuzz.hpp"

using namespace pgcertd;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(fuzz::text_of(data, size));
  const auto policy = parse_policy(bytes, "policy.toml");
  if (!policy) {
    fuzz::require_printable(policy.error().text());
    return 0;
  }
  for (const SigningProfile profile : {SigningProfile::server, SigningProfile::client, SigningProfile::issuing}) {
    SigningAsked asked{profile, "name", {{"db1.example.org"}, {}}, std::chrono::days{100000}, KeyType::ecdsa_p256, "ecdsa-p256", false};
    const Ruling ruling = rule(*policy, asked);
    require(ruling.lifetime <= policy->of(profile).max_lifetime && ruling.lifetime > Duration::zero());
    require(ruling.needs_a_person == (policy->of(profile).new_keys == Consent::ask));
  }
  return 0;
}
