// The validity timeline of one cluster: the same bars as SVG in three scales, and as a table. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/snapshot.hpp"

namespace pgcertd::status {

struct Bar {
  enum class Join : std::uint8_t { none, same, different };
  std::string kind{};                   // CSS class: root, issuing, leaf, served, crl
  std::string label{};
  std::string serial{};                 // or CRL number
  std::optional<TimePoint> from{}, until{};   // both unknown: nothing is there, `missing` says why
  std::optional<TimePoint> tick{};      // planned renewal
  std::string missing{};
  Join join = Join::none;               // to the leaf in the file
};

std::vector<Bar> bars(const Snapshot& snapshot, const ClusterView& cluster);
// `index` keeps ids apart on a page with several clusters.
std::string timeline_html(const std::vector<Bar>& rows, const Runway& runway, TimePoint now, std::size_t index);
std::string timeline_table(const std::vector<Bar>& rows, TimePoint now, std::string_view name);

}  // namespace pgcertd::status
