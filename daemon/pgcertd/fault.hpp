// Fault points for tests, compiled in with PGCERTD_FAULT_POINTS only. The environment names them, with commas between:
//   PGCERTD_FAULT=generations.publish:before:1=kill     SIGKILL before the first such call
//   PGCERTD_FAULT=store.save:before:2=fail              the second such call fails with EIO (also no-space, read-only, permission)
//   PGCERTD_FAULT=generations.stage:after:1=stop        SIGSTOP, until somebody sends SIGCONT
//   PGCERTD_FAULT=store.save:after:3=hang               the thread never comes back
//   PGCERTD_FAULT=preflight=skip                        whatever is staged is published
//   PGCERTD_FAULT=worker-limit=3                        a worker that is busy for longer than so many seconds is stale
// PGCERTD_TRACE=FILE appends the name of each port call to FILE.
#pragma once

#include <optional>

#include "base/time.hpp"
#include "engine/traced_ports.hpp"

namespace pgcertd::daemon {

struct Faults {
  engine::CallHook hook;          // empty: no fault point is set
  bool skip_preflight = false;
  std::optional<Duration> worker_limit;
};

Faults faults_from_environment();

}  // namespace pgcertd::daemon
