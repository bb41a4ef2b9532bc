// Any text as a time, a duration, hexadecimal, and as something to be shown.
#include "base/hex.hpp"
#include "base/time.hpp"
#include "fuzz.hpp"

using namespace pgcertd;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  if (const auto length = parse_duration(text)) {
    const auto again = parse_duration(to_text(*length));
    require(again && *again == *length);
  }
  if (const auto at = parse_rfc3339(text)) {
    const auto again = parse_rfc3339(to_rfc3339(*at));
    require(again && *again == *at);
    (void)relative_text(*at, from_unix(1767225600));
  }
  if (const auto bytes = from_hex(text)) require(to_hex(*bytes).size() == text.size());
  fuzz::require_printable(printable(text));
  require(printable(text, 16).size() <= 16 + std::string_view("…").size());
  if (size < 256) require(edit_distance(text, "renew_at") <= std::max(size, std::size_t{8}));
  return 0;
}
