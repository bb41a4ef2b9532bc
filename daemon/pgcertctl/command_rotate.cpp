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
  if (session.json()) session.print_json_line(event);
  else session.print(cli::event_line(event, session.now(), session.style()));
  (void)std::fflush(stdout);  // a broken pipe is seen and judged when the program ends
}

Result<bool> print_news(const Session& session, const cli::ControlClient& client, cli::RotationWatch& watch, Duration longest) {
  PGCERTD_TRY(const json events, client.events(watch.last_id(), longest));
  const std::vector<json> news = watch.feed(events);
  for (const json& event : news) print_stage(session, event);
  return !news.empty();
}

// A worker that is busy, or a cluster that was just configured and not looked at yet, will answer later.
bool later(const Error& error) { return error.code == Errc::busy || error.code == Errc::timeout; }

// The daemon answers a look when nothing is left to do: what it did until then is told before the end.
Result<void> look_at_rest(const Session& session, const cli::ControlClient& client, const std::string& cluster, cli::RotationWatch& watch) {
  if (const auto rested = client.post(fmt::format("/v1/clusters/{}/look", cluster), json::object()); !rested) return later(rested.error()) ? Result<void>{} : fail(rested.error());
  while (!watch.end()) {   // a page of events has an end
    PGCERTD_TRY(const bool more, print_news(session, client, watch, Duration{0}));
    if (!more) break;
  }
  PGCERTD_TRY(const json state, client.get("/v1/clusters/" + cluster));
  watch.rest(state);
  return {};
}

// What happens, for so long at most; then, if nothing did, a look at the cluster: an end that both show is told with its event.
Result<void> look(const Session& session, const cli::ControlClient& client, const std::string& cluster, cli::RotationWatch& watch, Duration longest) {
  PGCERTD_TRY(const bool news, print_news(session, client, watch, longest));
  if (watch.end() || news) return {};
  if (watch.ends_at_rest()) return look_at_rest(session, client, cluster, watch);
  const Result<json> state = client.get("/v1/clusters/" + cluster);
  if (state) watch.look(*state);
  return state || later(state.error()) ? Result<void>{} : fail(state.error());
}

void print_summary(const Session& session, const cli::RotationWatch& watch) {
  if (session.json()) session.print_json_line(json{{"accepted", true}, {"message", watch.summary()}});
  else session.print(watch.summary() + "\n");
}

int wait_for_end(const Session& session, const cli::ControlClient& client, const std::string& cluster, cli::RotationWatch watch) {
  const Duration patience = session.timeout(wait_by_default);
  const Clock::time_point deadline = Clock::now() + patience;
  for (Duration longest{0};;) {   // at first as things stand: it may be refused already
    if (const auto looked = look(session, client, cluster, watch, longest); !looked) return session.report(looked.error());
    if (watch.end() == cli::ExitCode::refused) session.warn(watch.refusal());
    if (watch.end() == cli::ExitCode::done && watch.ends_at_rest()) print_summary(session, watch);
    if (watch.end()) return code(*watch.end());
    const auto left = std::chrono::ceil<Duration>(deadline - Clock::now());
    if (left <= Duration{0}) break;
    longest = std::min({look_interval, left, patience / 2});
  }
  session.warn(fmt::format("{} of {} has not ended within {}: {}; it goes on, see pgcertctl status {}", watch.what(), cluster,
                           to_text(patience), watch.standing(), cluster));
  return code(cli::ExitCode::timed_out);
}

// Without --force, and where no certificate is due, an accepted pass does what else there is.
cli::Watched watched_of(cli::Watched wished, const json& reply) {
  const auto need = json::json_pointer("/plan/need");
  const bool other = wished == cli::Watched::rotation && reply.contains(need) && reply.at(need) == "none";
  return other ? cli::Watched::pass : wished;
}

void print_answer(const Session& session, const json& reply, bool waits, const std::string& text) {
  if (!session.json()) return session.print(text);
  if (waits) session.print_json_line(reply);   // the first of several records
  else session.print_json(reply);
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
  print_answer(session, *reply, wish.waits, show(*reply));
  const auto accepted = reply->find("accepted");
  if (!wish.waits || accepted == reply->end() || *accepted != true) return code(cli::ExitCode::done);
  return wait_for_end(session, client, cluster, cli::RotationWatch(cluster, *since, watched_of(wish.watched, *reply)));
}

}  // namespace

int run(const Rotate& command, const Session& session) {
  const json body{{"force", command.force}, {"dry_run", command.dry_run}};
  const auto shown = [&](const json& reply) { return command.dry_run ? cli::plan_view(reply, session.now(), session.style()) : words(reply, session.now()) + "\n"; };
  return ask_and_watch(session, command.cluster, {"rotate", body, command.wait && !command.dry_run, cli::Watched::rotation}, shown);
}

int run(const Rollback& command, const Session& session) {
  return ask_and_watch(session, command.cluster, {"rollback", json::object(), command.wait, cli::Watched::rollback},
                       [&](const json& reply) { return words(reply, session.now()) + "\n"; });
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
