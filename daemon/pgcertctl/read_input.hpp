// Bytes that a person names: a file, or "-" for standard input. Bounded, so that /dev/zero is an error and no crash.
#pragma once

#include <string>

#include "base/result.hpp"

namespace pgcertd::ctl {

inline constexpr std::size_t largest_input = 256U << 20U;  // a CRL of a million entries has about 40 MB

Result<std::string> read_input(const std::string& path);

}  // namespace pgcertd::ctl
