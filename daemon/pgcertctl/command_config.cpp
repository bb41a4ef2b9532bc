// config check, config show, version.
#include <fmt/format.h>

#include <toml++/toml.h>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/text.hpp"
#include "config/load.hpp"
#include "config/print.hpp"
#include "files/host.hpp"
#include "pgcertctl/commands.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json issues_json(const std::vector<ConfigIssue>& issues) {
  Json list = Json::array();
  for (const ConfigIssue& issue : issues)
    list.push_back({{"file", issue.file},
                    {"line", issue.line},
                    {"column", issue.column},
                    {"key", issue.key},
                    {"message", issue.message},
                    {"remedy", issue.remedy}});
  return list;
}

std::string toml_as_json(const std::string& text) {
  std::ostringstream out;
  out << toml::json_formatter{toml::parse(text)} << "\n";
  return out.str();
}

Result<LoadedConfig> load(const Session& session) {
  PGCERTD_TRY(const std::vector<ConfigFile> files, read_config_files(session.globals().config));
  return parse_config(files, {files::may_be_user, files::may_be_group});
}

int print_issues(const Session& session, const LoadedConfig& loaded) {
  if (session.json())
    session.print_json(Json{{"valid", false}, {"issues", issues_json(loaded.issues)}});
  else
    for (const ConfigIssue& issue : loaded.issues) session.print(issue.text() + "\n");
  return code(cli::ExitCode::failed);
}

}  // namespace

int run(const ConfigCheck&, const Session& session) {
  const Result<LoadedConfig> loaded = load(session);
  if (!loaded) return session.report(loaded.error());
  if (!loaded->config) return print_issues(session, *loaded);
  const Config& config = *loaded->config;
  if (session.json())
    session.print_json(Json{{"valid", true}, {"issues", Json::array()}});
  else
    session.print(fmt::format("{} is valid: {} cluster(s), {} issuer(s)\n", session.globals().config, config.clusters.size(),
                              config.issuers.size()));
  return code(cli::ExitCode::done);
}

int run(const ConfigShow&, const Session& session) {
  const Result<LoadedConfig> loaded = load(session);
  if (!loaded) return session.report(loaded.error());
  if (!loaded->config) {   // there is nothing to show, so nothing goes to standard output
    for (const ConfigIssue& issue : loaded->issues) session.warn(issue.text());
    return code(cli::ExitCode::failed);
  }
  const std::string text = to_toml(*loaded->config);
  session.print(session.json() ? toml_as_json(text) : text);
  return code(cli::ExitCode::done);
}

int run(const Version&, const Session& session) {
  const auto status = session.client().get("/v1/status");
  const auto version = nlohmann::json::json_pointer("/version");
  const bool known = status && status->contains(version) && status->at(version).is_string();
  const std::string daemon = known ? printable(status->at(version).get<std::string>(), 40) : std::string("not reachable");
  if (session.json())
    session.print_json(Json{{"pgcertctl", PGCERTD_VERSION}, {"pgcertd", known ? Json(daemon) : Json(nullptr)}});
  else
    session.print(fmt::format("pgcertctl {}\npgcertd   {}\n", PGCERTD_VERSION, daemon));
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
