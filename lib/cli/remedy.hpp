// What to do about an error that names no remedy of its own: what its cause allows for. Pure.
#pragma once

#include <string>

#include "base/error.hpp"

namespace pgcertd::cli {

// The error's own, else by the system's reason; empty where there is nothing to advise.
std::string remedy_of(const Error& error);

}  // namespace pgcertd::cli
