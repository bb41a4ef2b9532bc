// pg_stat_ssl shows a serial in decimal; everything else here has it in hex. For this room only.
#pragma once

#include <string>
#include <string_view>

namespace pgcertd::postgres {

// "255" becomes "ff", lower case, two digits a byte; what is no decimal number, or longer than a serial can be, becomes empty.
std::string hex_of_decimal(std::string_view decimal);

}  // namespace pgcertd::postgres
