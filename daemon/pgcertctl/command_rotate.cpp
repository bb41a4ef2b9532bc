// What the daemon is asked to do: rotate, rollback, pause, resume, takeover.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/text.hpp"
#include "base/time.hpp"
#include "cli/control_client.hpp"
#include "cli/rotation_watch.hpp"
#include "cli/views.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr Duration wait_by_default = std::chrono::seconds{60};
// Longer, and a rotation that is refused without an event would be noticed late.
constexpr Duration look_interval = std::chrono::seconds{1};

int ask_cluster(const Session& session, const std::string& cluster, std::string_view verb, const json& body) {
  if (const auto named = cli::check_cluster_name(cluster); !named) return session.report(named.error());
  return ask(session, fmt::format("/v1/clusters/{}/{}", cluster, verb), body);
}

// The newest event there is: what comes after it belongs to what is asked for now.
Result<std::int64_t> newest_event(const cli::ControlClient& client) {
  PGCERTD_TRY(const json page, client.get("/v1/events?last=1"));
  return cli::highest_id(page, 0);
}

void print_stage(const Session& session, const json& event) {
  if (session.json())
    session.print(event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  else
    session.print(cli::event_line(event, session.now(), session.style()));
  (void)std::fflush(stdout);  // a broken pipe is seen and judged when the program ends
}

// What happens, for so long at most; then, if nothing did, a look at the cluster: an end that both show is told with its event.
Result<void> look(const Session& session, const cli::ControlClient& client, const std::string& cluster, cli::RotationWatch& watch, Duration longest) {
  PGCERTD_TRY(const json events, client.events(watch.last_id(), longest));
  const std::vector<json> news = watch.feed(events);
  for (const json& event : news) print_stage(session, event);
  if (watch.end() || !news.empty()) return {};
  const Result<json> state = client.get("/v1/clusters/" + cluster);
  if (state) watch.look(*state);
  const bool later = state || state.error().code == Errc::busy;   // a cluster that was just configured was not looked at yet
  return later ? Result<void>{} : fail(state.error());
}

int wait_for_end(const Session& session, const cli::ControlClient& client, const std::string& cluster, cli::RotationWatch watch) {
  const Duration patience = session.timeout(wait_by_default);
  const Clock::time_point deadline = Clock::now() + patience;
  for (Duration longest{0};;) {   // at first as things stand: it may be refused already
    if (const auto looked = look(session, client, cluster, watch, longest); !looked) return session.report(looked.error());
    if (watch.end() == cli::ExitCode::refused) session.warn(watch.refusal());
    if (watch.end()) return code(*watch.end());
    const auto left = std::chrono::ceil<Duration>(deadline - Clock::now());
    if (left <= Duration{0}) break;
    longest = std::min({look_interval, left, patience / 2});
  }
  session.warn(fmt::format("{} of {} has not ended within {}: {}; it goes on, see pgcertctl status {}", watch.what(), cluster,
                           to_text(patience), watch.standing(), cluster));
  return code(cli::ExitCode::timed_out);
}

struct Wish {
  std::string_view verb;
  json body;
  bool waits;
  cli::Watched watched;
};

template <class Show>
int ask_and_watch(const Session& session, const std::string& cluster, const Wish& wish, const Show& show) {
  if (const auto named = cli::check_cluster_name(cluster); !named) return session.report(named.error());
  const cli::ControlClient client = session.client();
  const Result<std::int64_t> since = wish.waits ? newest_event(client) : Result<std::int64_t>(0);
  if (!since) return session.report(since.error());
  const Result<json> reply = client.post(fmt::format("/v1/clusters/{}/{}", cluster, wish.verb), wish.body);
  if (!reply) return session.report(reply.error());
  if (session.json())
    session.print_json(*reply);
  else
    session.print(show(*reply));
  const auto accepted = reply->find("accepted");
  if (!wish.waits || accepted == reply->end() || *accepted != true) return code(cli::ExitCode::done);
  return wait_for_end(session, client, cluster, cli::RotationWatch(cluster, *since, wish.watched));
}

}  // namespace

int run(const Rotate& command, const Session& session) {
  const json body{{"force", command.force}, {"dry_run", command.dry_run}};
  const auto shown = [&](const json& reply) { return command.dry_run ? cli::plan_view(reply, session.now(), session.style()) : words(reply) + "\n"; };
  return ask_and_watch(session, command.cluster, {"rotate", body, command.wait && !command.dry_run, cli::Watched::rotation}, shown);
}

int run(const Rollback& command, const Session& session) {
  return ask_and_watch(session, command.cluster, {"rollback", json::object(), command.wait, cli::Watched::rollback},
                       [](const json& reply) { return words(reply) + "\n"; });
}

int run(const Pause& command, const Session& session) {
  return ask_cluster(session, command.cluster, "pause", {{"for", command.duration}, {"reason", command.reason}});
}

int run(const Resume& command, const Session& session) { return ask_cluster(session, command.cluster, "resume", json::object()); }

int run(const Takeover& command, const Session& session) {
  const auto agreed = confirm(session, fmt::format("Let pgcertd replace the certificate that cluster {} serves now?", printable(command.cluster, 63)));
  if (!agreed) return session.report(agreed.error());
  return ask_cluster(session, command.cluster, "takeover", json::object());
}

}  // namespace pgcertd::ctl
