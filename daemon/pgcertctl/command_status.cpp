// What the daemon knows: status, check, events, runway. Read only.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/check.hpp"
#include "cli/control_client.hpp"
#include "cli/rotation_watch.hpp"
#include "cli/views.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/direct_look.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

// A worker wakes at the latest after an hour, so an older status is one that nobody keeps.
constexpr Duration stale_after = std::chrono::hours{2};
constexpr Duration check_patience = std::chrono::seconds{10};  // monitoring systems end a plugin after a minute or less
constexpr Duration follow_interval = std::chrono::seconds{10};

int show(const Session& session, const Result<json>& reply, std::string (*view)(const json&, TimePoint, const cli::Style&)) {
  if (!reply) return session.report(reply.error());
  if (session.json())
    session.print_json(*reply);
  else
    session.print(view(*reply, session.now(), session.style()));
  return code(cli::ExitCode::done);
}

void print_events(const Session& session, const json& page) {
  for (const json& event : page.value("events", json::array())) {
    if (session.json()) session.print_json_line(event);
    else session.print(cli::event_line(event, session.now(), session.style()));
  }
}

Result<json> look(const Session& session) {
  PGCERTD_TRY(const Config config, session.config());
  return direct_status(config, session.now());
}

int verify_events(const Events& command, const cli::ControlClient& client, const Session& session) {
  const Result<json> reply = client.post("/v1/events/verify", command.head.empty() ? json::object() : json{{"head", command.head}});
  if (!reply) return session.report(reply.error());
  if (session.json()) session.print_json(*reply);
  else session.print(cli::chain_view(*reply));
  const bool good = reply->value("ok", false) && (command.head.empty() || reply->value("holds", false));
  return code(good ? cli::ExitCode::done : cli::ExitCode::failed);
}

bool reader_has_gone() { return std::fflush(stdout) != 0 || std::ferror(stdout) != 0; }

}  // namespace

int run(const Status& command, const Session& session) {
  if (command.cluster.empty()) return show(session, session.client().get("/v1/status"), cli::status_view);
  if (const auto named = cli::check_cluster_name(command.cluster); !named) return session.report(named.error());
  return show(session, session.client().get("/v1/clusters/" + command.cluster), cli::cluster_view);
}

int run(const Runway&, const Session& session) {
  return show(session, session.client().get("/v1/runway"), cli::runway_view);
}

int run(const Check& command, const Session& session) {
  const Result<json> status = command.direct ? look(session) : session.client(check_patience).get("/v1/status");
  const cli::CheckOptions options{.cluster = command.cluster,
                                  .warning = command.warning,
                                  .critical = command.critical,
                                  .only = command.only,
                                  .stale_after = stale_after};
  const cli::CheckResult result = status ? cli::check(*status, options, session.now()) : cli::check_unknown(status.error().text());
  session.print(cli::check_text(result, session.json()));
  return result.exit_code;
}

int run(const Events& command, const Session& session) {
  const cli::ControlClient client = session.client();
  if (command.verify) return verify_events(command, client, session);
  // Well before the client's own patience ends.
  const Duration wait = command.follow ? std::min(follow_interval, session.timeout(follow_interval) / 2) : Duration{0};
  for (std::int64_t since = 0;;) {
    const Result<json> page = client.events(since, wait);
    if (!page) return session.report(page.error());
    print_events(session, *page);
    const std::int64_t highest = cli::highest_id(*page, since);
    if (reader_has_gone() || (highest == since && !command.follow)) return code(cli::ExitCode::done);
    since = highest;
  }
}

}  // namespace pgcertd::ctl
