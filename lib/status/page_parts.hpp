// Parts of the status page; private to this room. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/snapshot.hpp"

namespace pgcertd::status {

std::string_view page_style() noexcept;
// Up to and with </head>; `title` and `icon` stand in the browser's tab.
std::string page_head(std::string_view title, std::string_view icon = {});
std::string_view masthead() noexcept;
std::string cluster_section(const Snapshot& snapshot, const ClusterView& cluster, TimePoint now, std::size_t index);
// A table that scrolls by itself where the window is narrow; `label` must be the page's only one of its kind.
std::string scrolling(std::string_view label, const std::string& table);
std::string listener_section(const ListenerView& listener, TimePoint now);
std::string issuer_section(const Snapshot& snapshot, const IssuerView& issuer, TimePoint now);

}  // namespace pgcertd::status
