// ServerDetail by SQL: pg_hba rules, configuration lines against what is in force, sessions. For this room only.
#pragma once

#include <optional>

#include "core/server_detail.hpp"
#include "postgres/session.hpp"

namespace pgcertd::postgres {

// What the role may not read stays absent.
Expected<ServerDetail> read_detail(Session& session, std::optional<TimePoint> rotated_at);

}  // namespace pgcertd::postgres
