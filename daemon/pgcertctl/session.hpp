// Session: what every command needs: global options, style, the time of this run, and the way to print and to fail.
// Data goes to stdout, messages to stderr. One thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "base/error.hpp"
#include "base/result.hpp"
#include "cli/control_client.hpp"
#include "cli/exit_code.hpp"
#include "cli/style.hpp"
#include "core/config.hpp"
#include "pgcertctl/arguments.hpp"

namespace pgcertd::ctl {

// The daemon answers a command after 30 s at the latest, with words of its own.
inline constexpr Duration answer_timeout = std::chrono::seconds{35};

class Session {
 public:
  explicit Session(Globals globals);
  [[nodiscard]] const Globals& globals() const noexcept { return globals_; }
  [[nodiscard]] const cli::Style& style() const noexcept { return style_; }
  [[nodiscard]] bool json() const noexcept { return globals_.json; }
  [[nodiscard]] TimePoint now() const;  // reads the clock
  [[nodiscard]] Duration timeout(Duration otherwise) const { return globals_.timeout.value_or(otherwise); }
  // Of the file that --config names and its drop-ins.
  [[nodiscard]] Result<Config> config() const;
  // To the control socket: as named, else in the configured runtime_directory. --timeout goes before `patience`.
  [[nodiscard]] cli::ControlClient client(Duration patience = answer_timeout) const;

  void print(std::string_view text) const;
  void print_json(const nlohmann::json& value) const;
  void print_json(const nlohmann::ordered_json& value) const;
  void print_json_line(const nlohmann::json& record) const;   // one of several
  void warn(std::string_view text) const;  // "pgcertctl: …" on stderr
  // Prints the error with its remedy and gives the exit code for it.
  int report(const Error& error) const;

 private:
  Globals globals_;
  cli::Style style_;
};

constexpr int code(cli::ExitCode exit_code) noexcept { return static_cast<int>(exit_code); }

}  // namespace pgcertd::ctl
