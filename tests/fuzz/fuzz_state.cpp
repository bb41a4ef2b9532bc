// Any bytes where pgcertd keeps its own: a generation's manifest and the rows of what is remembered. What is taken is written
// and read back as the same.
#include "files/manifest.hpp"
#include "fuzz.hpp"
#include "store/memory_rows.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

void manifest(std::string_view text) {
  const auto read = files::parse_manifest(text, "manifest.json");
  if (!read) {
    fuzz::require_printable(read.error().text());
    return;
  }
  const auto again = files::parse_manifest(files::to_json(*read), "again");
  require(again && *again == *read);
}

// A row a line: KEY=VALUE.
void memory(std::string_view text) {
  std::map<std::string, std::string> rows;
  while (!text.empty()) {
    auto line = fuzz::take_until(text, '\n');
    const std::string key(fuzz::take_until(line, '='));
    rows[key] = line;
  }
  const auto read = store::from_rows(rows);
  if (!read) return;
  const auto again = store::from_rows(store::to_rows(*read).rows);
  require(again && *again == *read);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = fuzz::text_of(data, size);
  manifest(text);
  memory(text);
  if (files::is_generation_id(text)) require(text.find_first_not_of("0123456789abcdefTZ-") == std::string_view::npos);
  return 0;
}
