// The status page: what a stranger and the person paged at night see first. Server-rendered, no script, no outside asset.
// Pure; every text from outside is escaped.
#pragma once

#include <string>
#include <string_view>

#include "core/snapshot.hpp"
#include "status/facts.hpp"

namespace pgcertd::status {

std::string page_html(const Snapshot& snapshot, const BuildInfo& build, TimePoint now);
// One sentence: how things stand and what happens next.
std::string sentence(const Snapshot& snapshot, TimePoint now);

}  // namespace pgcertd::status
