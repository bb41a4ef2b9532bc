#include "pgcertd/settings.hpp"

#include "config/idle_keys.hpp"
#include "config/load.hpp"

namespace pgcertd::daemon {

Result<ConfigPtr> load_settings(const std::string& path) {
  PGCERTD_TRY(const auto files, read_config_files(path));
  LoadedConfig loaded = parse_config(files);
  if (loaded.config && loaded.issues.empty()) return std::make_shared<const Config>(std::move(*loaded.config));
  std::string all;
  for (const ConfigIssue& issue : loaded.issues) all += (all.empty() ? "" : "\n") + issue.text();
  return fail(Errc::invalid, all, "correct the file, then pgcertd --check-config --config " + path);
}

std::vector<std::string> warnings_of(const Config& config) {
  std::vector<std::string> out;
  for (const std::string& key : idle_keys_in(config)) out.push_back(key + " is set, but this version does not act on it yet");
  return out;
}

void log_warnings(const Config& config, LogSink& log) {
  for (const std::string& warning : warnings_of(config)) log.write({LogLevel::warning, warning, "", {}});
}

}  // namespace pgcertd::daemon
