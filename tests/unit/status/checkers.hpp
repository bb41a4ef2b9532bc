// Small parsers that tell whether output is well formed: HTML tags in balance, Prometheus text without doubled series.
// Each returns what is wrong, or an empty string.
#pragma once

#include <string>
#include <string_view>

namespace pgcertd::check {

std::string html_fault(std::string_view html);
std::string metrics_fault(std::string_view text);
bool valid_utf8(std::string_view text);

}  // namespace pgcertd::check
