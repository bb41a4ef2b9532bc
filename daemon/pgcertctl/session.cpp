#include "pgcertctl/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "base/text.hpp"
#include "cli/moments.hpp"
#include "cli/remedy.hpp"
#include "cli/terminal.hpp"
#include "config/load.hpp"

namespace pgcertd::ctl {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string{} : std::string(value);
}

Result<Config> load(const std::string& path) {
  PGCERTD_TRY(const std::vector<ConfigFile> files, read_config_files(path));
  LoadedConfig loaded = parse_config(files);
  if (!loaded.config)
    return fail(Errc::invalid, loaded.issues.empty() ? "it is not usable" : loaded.issues.front().text(), "pgcertctl config check");
  return std::move(*loaded.config);
}

template <class Json>
std::string dump(const Json& value) {
  return value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Session::Session(Globals globals)
    : globals_(std::move(globals)),
      style_(cli::choose_style(globals_.color, cli::is_terminal(STDOUT_FILENO), !environment("NO_COLOR").empty(),
                               environment("TERM"))) {}

TimePoint Session::now() const { return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()); }

Result<Config> Session::config() const { return load(globals_.config); }

cli::ControlClient Session::client(Duration patience) const {
  patience = timeout(patience);
  if (!globals_.socket.empty()) return {globals_.socket, patience};
  const Result<Config> config = this->config();
  if (config) return {config->daemon.runtime_directory + "/control.sock", patience};
  // A daemon runs on when its configuration has become wrong or is not ours to read: it is where the text says, or in its usual place.
  const auto files = read_config_files(globals_.config);
  const std::string written = files ? written_runtime_directory(*files) : std::string{};
  const std::string socket = (written.empty() ? DaemonConfig{}.runtime_directory : written) + "/control.sock";
  if (globals_.config_named || files)
    warn(fmt::format("{}: {}; trying the socket {} (--socket names another)", printable(globals_.config, 4096), config.error().text(), printable(socket, 4096)));
  return {socket, patience};
}

void Session::print(std::string_view text) const { std::fwrite(text.data(), 1, text.size(), stdout); }
void Session::print_json(const nlohmann::json& value) const { print(dump(value)); }
void Session::print_json(const nlohmann::ordered_json& value) const { print(dump(value)); }

void Session::print_json_line(const nlohmann::json& record) const { print(record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n"); }

void Session::warn(std::string_view text) const { fmt::print(stderr, "pgcertctl: {}\n", text); }

int Session::report(const Error& error) const {
  warn(cli::with_relative_times(error.text(), now()));
  if (const std::string remedy = cli::remedy_of(error); !remedy.empty()) fmt::print(stderr, "  remedy: {}\n", remedy);
  return code(cli::exit_code(error.code));
}

}  // namespace pgcertd::ctl
