#include "pgcertctl/asking.hpp"

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/moments.hpp"
#include "cli/terminal.hpp"

namespace pgcertd::ctl {

using nlohmann::json;

Result<void> confirm(const Session& session, const std::string& question) {
  if (session.globals().yes || !cli::is_terminal(0)) return {};
  PGCERTD_TRY(const bool agreed, cli::ask_yes_no(question));
  if (!agreed) return fail(Errc::refused, "not confirmed, nothing was changed");
  return {};
}

std::string words(const json& reply, TimePoint now) {
  const auto found = reply.find("message");
  return found != reply.end() && found->is_string() ? cli::with_relative_times(printable(found->get<std::string>(), 1000), now) : std::string("done");
}

int ask(const Session& session, const std::string& path, const json& body) {
  const Result<json> reply = session.client().post(path, body);
  if (!reply) return session.report(reply.error());
  if (session.json())
    session.print_json(*reply);
  else
    session.print(words(*reply, session.now()) + "\n");
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
