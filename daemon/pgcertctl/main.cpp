// pgcertctl: the operator's tool. Arguments in, one command out; the daemon does what changes anything.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "pgcertctl/commands.hpp"

namespace pgcertd::ctl {
namespace {

int dispatch(const Invocation& invocation) {
  const Session session(invocation.globals);
  return std::visit(
      [&](const auto& command) {
        if constexpr (std::is_same_v<std::decay_t<decltype(command)>, std::monostate>)
          return code(cli::ExitCode::usage);
        else
          return run(command, session);
      },
      invocation.command);
}

int end(const Ending& ending) {
  std::fputs(ending.out.c_str(), stdout);
  std::fputs(ending.err.c_str(), stderr);
  return ending.exit_code;
}

// A full disk behind stdout is a failure; a reader that has gone (head, less) is not worth a word.
int close_output(int exit_code) {
  const bool lost = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  if (lost && errno != EPIPE) std::perror("pgcertctl: standard output");
  return lost && exit_code == 0 ? code(cli::ExitCode::failed) : exit_code;
}

int main_guarded(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that breaks off is an error to report, not the end of the program
  // As a plugin among those of Nagios it is a link with a name of its own.
  std::vector<const char*> words(argv, argv + argc);
  if (std::string_view(argv[0]).ends_with("check_pgcertd")) words.insert(words.begin() + 1, "check");
  const auto parsed = parse_arguments(static_cast<int>(words.size()), words.data());
  if (const auto* ending = std::get_if<Ending>(&parsed)) return close_output(end(*ending));
  return close_output(dispatch(std::get<Invocation>(parsed)));
}

}  // namespace
}  // namespace pgcertd::ctl

int main(int argc, char** argv) {
  try {
    return pgcertd::ctl::main_guarded(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pgcertctl: internal error: %s\n", error.what());
    return 1;
  }
}
