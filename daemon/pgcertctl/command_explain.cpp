// explain: the page of a problem, from this program itself, so that it is there where no documentation is installed.
#include <nlohmann/json.hpp>

#include "core/finding.hpp"
#include "pgcertctl/commands.hpp"
#include "status/problem_pages.hpp"

namespace pgcertd::ctl {

int run(const Explain& command, const Session& session) {
  const auto page = status::problem_text(command.code);
  if (!page) return session.report(make_error(Errc::not_found, "there is no page about \"" + command.code + "\""));
  const auto code_known = parse_problem_code(command.code);
  if (session.json())
    session.print_json(nlohmann::json{{"code", command.code}, {"severity_at_most", code_known ? to_string(row(*code_known).severity) : "unknown"}, {"markdown", *page}});
  else
    session.print(std::string(*page) + (page->ends_with('\n') ? "" : "\n"));
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
