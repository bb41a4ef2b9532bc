// Any JSON as the daemon's answer: pgcertctl shows it without an exception and without a byte that steers the terminal.
#include <nlohmann/json.hpp>

#include "cli/rotation_watch.hpp"
#include "cli/views.hpp"
#include "fuzz.hpp"

using namespace pgcertd;

namespace {

void require_lines(std::string_view shown) {
  while (!shown.empty()) fuzz::require_printable(fuzz::take_until(shown, '\n'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto json = nlohmann::json::parse(fuzz::text_of(data, size), nullptr, false);
  if (json.is_discarded()) return 0;
  constexpr TimePoint now = from_unix(1767225600);
  const cli::Style plain;
  require_lines(cli::status_view(json, now, plain));
  require_lines(cli::cluster_view(json, now, plain));
  require_lines(cli::runway_view(json, now, plain));
  require_lines(cli::event_line(json, now, plain));
  require_lines(cli::plan_view(json, now, plain));
  cli::RotationWatch watch("main", 0);
  for (const auto& event : watch.feed(json)) require_lines(cli::event_line(event, now, plain));
  watch.look(json);
  return 0;
}
