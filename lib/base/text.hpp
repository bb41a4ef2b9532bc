// Text that strangers chose (names in certificates, errors of servers) made safe to print and log.
#pragma once

#include <string>
#include <string_view>

namespace pgcertd {

// Valid UTF-8 with control, bidirectional and zero-width characters written as \xNN or \u{N}; cut at `limit` bytes with "…".
std::string printable(std::string_view hostile, std::size_t limit = 512);
// A to Z alone, whatever the locale: names of hosts, digits of serials.
std::string lower_case(std::string text);
// Levenshtein distance, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace pgcertd
