// Runs a program without a shell, with a deadline, a bounded output and nothing of our environment.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "postgres/wait.hpp"

namespace pgcertd::postgres {

// Standard output of argv[0] (an absolute path) when it exits with 0. Standard error is dropped: it may quote files that
// only the program may read. On deadline, cancel or too much output the child is killed and waited for. `input`, at most 4096 bytes,
// is its standard input.
Result<std::string> run_program(const std::vector<std::string>& argv, Deadline deadline, const Cancel& cancel,
                                std::size_t limit = 64U << 10, std::string_view input = {});

}  // namespace pgcertd::postgres
