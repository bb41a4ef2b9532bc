#include "postgres/passphrase.hpp"

#include "postgres/program.hpp"

namespace pgcertd::postgres {
namespace {

constexpr std::size_t longest = 1024;   // PEM_BUFSIZE, the room that PostgreSQL has for it
constexpr std::string_view prompt = "Enter PEM pass phrase:";

std::string with_prompt(const std::string& command) {
  std::string out;
  for (std::size_t i = 0; i < command.size(); ++i) {
    const char next = i + 1 < command.size() ? command[i + 1] : '\0';
    if (command[i] == '%' && next == 'p') out += prompt, ++i;
    else if (command[i] == '%' && next == '%') out += '%', ++i;
    else out += command[i];
  }
  return out;
}

}  // namespace

Result<Secret> run_passphrase_command(const std::string& command, const std::string& data_directory, Deadline deadline, const Cancel& cancel) {
  // The command and the directory are arguments, so that no quoting of ours can go wrong.
  auto ran = run_program({"/bin/sh", "-c", "cd \"$1\" && eval \"$2\"", "sh", data_directory, with_prompt(command)}, deadline, cancel, longest);
  if (!ran) {
    Error error = std::move(ran).error();
    error.what = "it failed, or gave more than a passphrase";   // its own words may hold what it was asked for
    return fail(std::move(error));
  }
  Secret out{*ran};
  wipe(*ran);
  std::size_t size = out.size();
  while (size > 0 && (out.view()[size - 1] == '\n' || out.view()[size - 1] == '\r')) --size;
  out.truncate(size);
  if (out.empty()) return fail(Errc::refused, "it gave nothing");
  return out;
}

}  // namespace pgcertd::postgres
