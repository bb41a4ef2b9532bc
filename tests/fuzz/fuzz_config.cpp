// Any bytes as a configuration: a Config that is read back as the same, or issues, each with a place and a printable text.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/text.hpp"
#include "config/load.hpp"
#include "config/print.hpp"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  // What follows a form feed is a drop-in.
  std::vector<pgcertd::ConfigFile> files;
  const auto cut = text.find('\f');
  files.push_back({.name = "pgcertd.toml", .bytes = text.substr(0, cut)});
  if (cut != std::string::npos) files.push_back({.name = "conf.d/10.toml", .bytes = text.substr(cut + 1)});
  const auto loaded = pgcertd::parse_config(files);
  require(loaded.config.has_value() == loaded.issues.empty());
  for (const auto& issue : loaded.issues) {
    const std::string shown = issue.text();
    require(issue.line > 0 && issue.column > 0 && !issue.message.empty());
    require(pgcertd::printable(shown, shown.size()) == shown);
  }
  if (loaded.config) {
    const auto again = pgcertd::parse_config({{.name = "printed", .bytes = pgcertd::to_toml(*loaded.config)}});
    require(again.config == loaded.config);
  }
  return 0;
}
