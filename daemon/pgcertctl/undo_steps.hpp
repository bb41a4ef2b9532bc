// The steps of `setup --undo`: first PostgreSQL gets back what it had, then what setup made goes. Each looks first whether it is
// done. What stays is the state directory with the CA's keys; a mark in it says that nobody uses it any more.
#pragma once

#include "pgcertctl/setup_steps.hpp"

namespace pgcertd::ctl {

// While the file is there, no server points into the state directory: a purge of the package may remove it.
inline constexpr const char* unused_mark = "unused";

std::vector<Step> undo_steps(const Host& host);

}  // namespace pgcertd::ctl
