#include "pgcertd/settings.hpp"

#include "config/load.hpp"
#include "files/host.hpp"

namespace pgcertd::daemon {

Result<ConfigPtr> load_settings(const std::string& path) {
  PGCERTD_TRY(const auto files, read_config_files(path));
  LoadedConfig loaded = parse_config(files, {files::may_be_user, files::may_be_group});
  if (loaded.config && loaded.issues.empty()) return std::make_shared<const Config>(std::move(*loaded.config));
  std::string all;
  for (const ConfigIssue& issue : loaded.issues) all += (all.empty() ? "" : "\n") + issue.text();
  return fail(Errc::invalid, all, "correct the file, then pgcertd --check-config --config " + path);
}

}  // namespace pgcertd::daemon
