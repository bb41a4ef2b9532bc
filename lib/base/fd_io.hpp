// Whole reads and writes of a descriptor, whatever interrupts them. `name` is for the error. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace pgcertd {

// Fills `bytes`; fewer than `size` only where the file ends.
Result<std::size_t> read_fully(int fd, char* bytes, std::size_t size, const std::string& name);
Result<void> write_fully(int fd, std::string_view bytes, const std::string& name);

}  // namespace pgcertd
