// One wait with a deadline that Cancel ends. Any thread.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.hpp"
#include "postgres/cancel.hpp"

namespace pgcertd::postgres {

using Deadline = std::chrono::steady_clock::time_point;
inline Deadline deadline_in(Duration time) { return std::chrono::steady_clock::now() + time; }

enum class Wake : std::uint8_t { ready, timeout, cancelled };

// `events` as poll(2) has them. An error on the descriptor is `ready`: the next call on it says what it is.
Wake wait_for(int fd, short events, Deadline deadline, const Cancel& cancel);

}  // namespace pgcertd::postgres
