// Runway: how long the host survives if the root's key were never used again, and when the plan first wants it (DESIGN).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/config.hpp"
#include "core/generation.hpp"
#include "core/issuing.hpp"

namespace pgcertd {

enum class RunwayLimit : std::uint8_t { issuing_ca, root_ca, root_crl, leaf };
std::string_view to_string(RunwayLimit limit) noexcept;      // "issuing_ca" …

struct Runway {
  std::optional<TimePoint> ends_at;      // earliest end of what is served or installed; none when nothing is known
  std::optional<TimePoint> needed_at;    // when the plan first wants the root (issuing CA at half its life, …)
  RunwayLimit limited_by = RunwayLimit::issuing_ca;
  bool operator==(const Runway&) const = default;
};

// `leaf_wanted_at`: when the plan asks for the next leaf; it counts with an offline issuer, as `leaf` does.
Runway runway(const IssuerSeen& issuer, IssuerType type, const std::optional<CertFacts>& leaf, std::optional<TimePoint> leaf_wanted_at = std::nullopt);

// What the runway needs of an issuer; of one that could not be looked at since the daemon's start, by what `installed` holds of it.
IssuerSeen as_installed(const IssuerSeen& issuer, const GenerationSeen* installed);

// From when on a CA's certificate is wanted anew: a visit of the root then gives a full half to the next one.
TimePoint half_life(const CertFacts& authority);

// One thing that a visit of the root makes anew.
struct RootWant {
  std::string what;                      // "issuing CA of issuer local"
  TimePoint needed_at{}, ends_at{};
  Duration wait{}, life{};               // of the next one: until it is wanted again, until it ends
};
std::vector<RootWant> root_wants(const IssuerSeen& issuer);
std::vector<RootWant> leaf_want(const std::string& cluster, const CertFacts& leaf, TimePoint wanted_at);

struct Visit {
  TimePoint from{};                      // the first thing is wanted
  TimePoint until{};                     // the first thing ends
  std::vector<std::string> what;         // all that is wanted then or within a tenth of the wait
};
// The next `count` visits, if each is made as soon as it is wanted and settles everything. `root_ends`: none lies behind it.
std::vector<Visit> foresee_visits(std::vector<RootWant> wants, TimePoint now, std::optional<TimePoint> root_ends, std::size_t count);

}  // namespace pgcertd
