// Does a value as it stands in a configuration file mean what is in force? After guc.c: booleans by prefix, numbers with
// units of memory and time, enums without case.
#pragma once

#include <string_view>

namespace pgcertd {

// `vartype`, `unit` and `in_force` as pg_settings shows them. A text that cannot be understood counts as the same: a guess
// must not hold up a reload.
bool same_value(std::string_view vartype, std::string_view unit, std::string_view in_file, std::string_view in_force);

}  // namespace pgcertd
