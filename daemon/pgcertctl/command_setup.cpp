// setup: shows what is to do, asks, does it step by step. setup sql: the role that pgcertd needs, and nothing more.
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/setup_steps.hpp"
#include "pgcertctl/undo_steps.hpp"
#include "postgres/privileges.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

std::string clusters_text(const Host& host, const Session& session) {
  cli::Table table({"CLUSTER", "VERSION", "PORT", "OWNER", "STATE", "TLS", "DATA DIRECTORY"}, 2);
  for (const Login& login : host.logins)
    table.add({login.cluster.name, std::to_string(login.cluster.major), std::to_string(login.cluster.port), login.cluster.owner, login.cluster.running ? "runs" : "down",
               login.cluster.ssl ? "on" : "off", login.cluster.data_directory});
  return table.render(session.style());
}

Json clusters_json(const Host& host) {
  Json list = Json::array();
  for (const Login& login : host.logins) {
    const auto& c = login.cluster;
    list.push_back({{"name", c.name}, {"version", c.major}, {"port", c.port}, {"owner", printable(c.owner)}, {"running", c.running}, {"ssl", c.ssl},
                    {"data_directory", printable(c.data_directory, 4096)}, {"config_file", printable(c.config_file, 4096)},
                    {"socket_directory", printable(c.socket_directory, 4096)}, {"unit", c.unit}});
  }
  return list;
}

std::string line(const std::string& word, cli::Tone tone, const std::string& title, const std::string& words, const Session& session) {
  return fmt::format("{} {}{}\n", session.style().paint(tone, fmt::format("{:10}", word)), printable(title, 4096), words.empty() ? "" : ": " + printable(words, 4096));
}

// A look at each step, changing nothing. Those behind one that fails are looked at too: the plan is to be seen whole.
struct Plan {
  std::string text;
  Json steps = Json::array();
  bool failed = false;
  std::size_t to_do = 0;
};

Plan plan_of(const std::vector<Step>& steps, const Session& session) {
  Plan out;
  for (const Step& step : steps) {
    const auto seen = step.look();
    const char* word = !seen ? "failed" : seen->done ? "already so" : "to do";
    out.text += line(word, !seen ? cli::Tone::critical : seen->done ? cli::Tone::good : cli::Tone::strong, step.title, seen ? seen->words : seen.error().text(), session);
    if (!seen && !seen.error().remedy.empty()) out.text += fmt::format("           remedy: {}\n", seen.error().remedy);
    out.failed = out.failed || !seen;
    if (seen && !seen->done) ++out.to_do;
    out.steps.push_back({{"step", printable(step.title, 4096)}, {"state", !seen ? "failed" : seen->done ? "done" : "to-do"},
                         {"message", printable(seen ? seen->words : seen.error().text(), 4096)}, {"remedy", seen ? "" : seen.error().remedy}});
  }
  return out;
}

// Looks again before it acts: the steps before have changed something.
Result<void> perform(const Step& step, const Session& session) {
  PGCERTD_TRY(const StepSeen seen, step.look());
  if (!seen.done) PGCERTD_CHECK(step.act());
  session.print(line(seen.done ? "already so" : "done", cli::Tone::good, step.title, "", session));
  return {};
}

int perform_all(const std::vector<Step>& steps, const Session& session) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto done = perform(steps[i], session);
    if (done) continue;
    session.print(line("failed", cli::Tone::critical, steps[i].title, "", session));
    for (std::size_t rest = i + 1; rest < steps.size(); ++rest) session.print(line("not done", cli::Tone::warning, steps[rest].title, "", session));
    return session.report(Error(done.error()).within(steps[i].title));
  }
  return code(cli::ExitCode::done);
}

Result<bool> agreed(const Session& session) {
  if (session.globals().yes) return true;
  auto answer = cli::ask_yes_no("Do what is marked \"to do\"?");
  if (!answer) return fail(Errc::refused, "nothing was done: there is no terminal to ask on", "--yes does it without a question, --dry-run only shows it");
  return answer;
}

std::string next_words(const Host& host) {
  if (host.command.undo)
    return fmt::format("\n{} is left with the CA, its registry and what happened here: apt purge pgcertd, or rm -r\n", printable(host.config.daemon.state_directory, 4096));
  return fmt::format("\nNext: pgcertd --check-config --config {}\n{}", printable(host.config_path, 4096),
                     host.system_directory.empty() ? "      then start the daemon, and look: pgcertctl status\n"
                                                   : "      systemctl daemon-reload; systemctl enable --now pgcertd; systemctl reload pgcertd\n      pgcertctl status; pgcertctl doctor\n");
}

// Every check there is, where a daemon runs. What it finds is no failure of the setup.
void examine(const Host& host, const Session& session) {
  if (host.command.undo || !session.client(std::chrono::seconds{5}).get("/v1/status")) return;
  session.print("\n");
  (void)run(DoctorCommand{}, session);
}

int show_plan(const Host& host, const Plan& plan, const std::vector<std::string>& notes, const Session& session) {
  if (session.json()) session.print_json(Json{{"clusters", clusters_json(host)}, {"steps", plan.steps}, {"passed_over", notes}});
  else session.print(clusters_text(host, session) + "\n" + plan.text);
  return code(plan.failed ? cli::ExitCode::failed : cli::ExitCode::done);
}

}  // namespace

int run(const Setup& command, const Session& session) {
  if (command.issuer == "offline" && command.root_cert.empty()) {
    session.warn("setup: --issuer offline needs --root-cert FILE, the certificate of the root that will sign");
    return code(cli::ExitCode::usage);
  }
  ::umask(022);   // the daemon must read what is written here; keys have modes of their own
  std::vector<std::string> notes;
  const auto host = look_at_host(command, session.globals(), notes);
  for (const std::string& note : notes) session.warn("passed over: " + note);
  if (!host) return session.report(host.error());
  const std::vector<Step> steps = command.undo ? undo_steps(*host) : setup_steps(*host, session);
  const Plan plan = plan_of(steps, session);
  const int shown = show_plan(*host, plan, notes, session);
  if (command.dry_run || session.json()) return shown;
  if (!plan.failed && plan.to_do == 0) {
    session.print("\nNothing is left to do.\n");
    examine(*host, session);
    return code(cli::ExitCode::done);
  }
  const auto yes = agreed(session);
  if (!yes) return session.report(yes.error());
  if (!*yes) return code(cli::ExitCode::refused);
  session.print("\n");
  const int ended = perform_all(steps, session);
  if (ended != code(cli::ExitCode::done)) return ended;
  session.print(next_words(*host));
  examine(*host, session);
  return ended;
}

int run(const SetupSql& command, const Session& session) {
  const std::string sql = postgres::setup_sql(command.role, static_cast<std::uint32_t>(command.postgresql) * 10000);
  if (session.json()) session.print_json(Json{{"role", printable(command.role)}, {"postgresql", command.postgresql}, {"sql", sql}});
  else session.print(sql);
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
