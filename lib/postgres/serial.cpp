#include "postgres/serial.hpp"

#include <algorithm>
#include <vector>

namespace pgcertd::postgres {
namespace {

constexpr std::size_t most_digits = 80;   // decimal digits; RFC 5280 allows 20 bytes, which are 49

// Long division by 256: the remainder is the lowest byte.
unsigned divide(std::vector<unsigned>& digits) {
  unsigned rest = 0;
  for (unsigned& digit : digits) {
    const unsigned value = rest * 10 + digit;
    digit = value / 256;
    rest = value % 256;
  }
  digits.erase(digits.begin(), std::find_if(digits.begin(), digits.end(), [](unsigned d) { return d != 0; }));
  return rest;
}

}  // namespace

std::string hex_of_decimal(std::string_view decimal) {
  if (decimal.empty() || decimal.size() > most_digits || decimal.find_first_not_of("0123456789") != std::string_view::npos) return {};
  std::vector<unsigned> digits;
  for (const char c : decimal) digits.push_back(static_cast<unsigned>(c - '0'));
  constexpr std::string_view hex = "0123456789abcdef";
  std::string out;
  do {
    const unsigned byte = divide(digits);
    out += hex[byte % 16];
    out += hex[byte / 16];
  } while (!digits.empty());
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace pgcertd::postgres
