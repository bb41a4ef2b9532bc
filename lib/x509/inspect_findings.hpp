// What PostgreSQL and its clients would object to in what inspect() read. Pure; for this room only.
#pragma once

#include "base/time.hpp"
#include "x509/inspect.hpp"

namespace pgcertd::x509 {

void add_findings(Inspection& seen, TimePoint now);

}  // namespace pgcertd::x509
