// What /proc/self tells of this process.
#pragma once

#include "status/facts.hpp"

namespace pgcertd::daemon {

status::ProcessFacts process_facts(TimePoint started_at);

}  // namespace pgcertd::daemon
