// Runway: how long the host survives if the root's key were never used again, and when the plan first wants it (DESIGN).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "core/config.hpp"
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

Runway runway(const IssuerSeen& issuer, IssuerType type, const std::optional<CertFacts>& leaf);

}  // namespace pgcertd
