// `pgcertd --once`: passes until every cluster is at rest, in this thread, then says how things stand.
#pragma once

#include "base/log.hpp"
#include "base/result.hpp"
#include "core/config.hpp"

namespace pgcertd::daemon {

// 0 ok, 1 warning, 2 critical, 3 unknown.
Result<int> run_once(const Config& config, LogSink& log);

}  // namespace pgcertd::daemon
