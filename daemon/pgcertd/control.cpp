#include "pgcertd/control.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <future>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pgcertd/control_command.hpp"
#include "pgcertd/control_issuer.hpp"
#include "status/json.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// A pass over a server that hangs has deadlines of its own; an operator waits no longer than this.
constexpr auto patience = 30s;

http::ControlReply busy() {
  return problem(504, "No answer", "the cluster's worker is busy", "try again, or look at pgcertctl status");
}

// Who is told that there is no answer may ask again: what was not begun must not happen twice.
template <class Answer>
http::ControlReply given_up(Awaited<Answer>& answer) {
  if (answer.withdraw()) return busy();
  return problem(504, "No answer", "it is under way, and takes longer than anybody waits", "pgcertctl events tells how it ends");
}

// What was not done, with the plan that says why.
http::ControlReply shown(const std::string& message, const json& plan) {
  return {200, json{{"accepted", false}, {"message", message}, {"plan", plan}}.dump()};
}

http::ControlReply done_or_not(const Result<std::string>& text, json more = json::object()) { return text ? done(*text, std::move(more)) : problem(text.error()); }

http::ControlReply run_command(ClusterWorker& worker, engine::Command command) {
  auto answer = worker.command(std::move(command));
  const auto told = answer.within(patience);
  return told ? done_or_not(*told) : given_up(answer);
}

http::ControlReply look(ClusterWorker& worker) {
  auto looked = worker.look();
  if (looked.wait_for(patience) != std::future_status::ready) return busy();
  looked.get();
  return done("everything was looked at");
}

std::string not_due(const Plan& plan) {
  std::string text = "nothing is due";
  if (plan.renew_at) text += "; the renewal is planned for " + to_rfc3339(*plan.renew_at);
  return text + "; --force rotates all the same";
}

json planned(const Plan& plan) { return json::parse(status::plan_json(plan)); }

http::ControlReply preview(ClusterWorker& worker, const Order& order) {
  auto previewed = worker.preview(order.command.force);
  const auto plan = previewed.within(patience);
  if (!plan) return given_up(previewed);
  return shown(plan->need != Need::none ? "this is what would be done" : not_due(*plan), planned(*plan));
}

http::ControlReply rotate(ClusterWorker& worker, const Order& order) {
  if (order.dry_run) return preview(worker, order);
  auto asked = worker.rotate(order.command, [force = order.command.force](const Plan& plan) { return plan.need != Need::none || force || !plan.at_rest; });
  const auto rotated = asked.within(patience);
  if (!rotated) return given_up(asked);
  return rotated->answer ? done_or_not(*rotated->answer, {{"plan", planned(rotated->plan)}}) : shown(not_due(rotated->plan), planned(rotated->plan));
}

http::ControlReply verify_events(const Fleet& fleet, const std::string& text) {
  const json body = json::parse(text, nullptr, false);
  const auto head = body.is_object() ? body.find("head") : body.end();
  if (!body.is_object() || (head != body.end() && !head->is_string())) return problem(400, "Bad request", "the body is no JSON object with \"head\" as text");
  const std::string asked = head == body.end() ? "" : head->get<std::string>();
  const auto verdict = fleet.history().verify(asked);
  if (!verdict) return problem(verdict.error());
  const auto link = [](const store::ChainLink& l) -> json { return l.event == 0 ? json(nullptr) : json{{"id", l.event}, {"hash", l.hash}}; };
  return {200, json{{"ok", verdict->fault.empty()}, {"fault", verdict->fault.empty() ? json(nullptr) : json(printable(verdict->fault))}, {"chained", verdict->chained},
                    {"checkpoint", link(verdict->checkpoint)}, {"head", link(verdict->head)}, {"holds", asked.empty() ? json(nullptr) : json(verdict->holds_asked)}}.dump()};
}

template <class Ask>
http::ControlReply at_worker(const Fleet& fleet, const std::string& cluster, const Ask& ask) {
  auto reply = ask_or_successor(patience, [&] { return fleet.find(cluster); }, ask);
  if (reply) return std::move(*reply);
  if (!fleet.ended() && !fleet.find(cluster)) return problem(404, "Not found", fmt::format("no cluster \"{}\" is configured", cluster), "pgcertctl status lists them");
  return problem(503, "Busy", "the configuration is being changed, or pgcertd stops", "ask again");
}

constexpr std::array<std::string_view, 4> signing_paths{"/v1/revoke", "/v1/clients", "/v1/crl/import", "/v1/requests/import"};

}  // namespace

bool Rights::may_sign(const http::ControlRequest& request) const {
  if (request.uid == 0 || request.uid == own) return true;
  return group && (request.gid == *group || std::ranges::find(request.groups, *group) != request.groups.end());
}

http::ControlReply answer_control(const Fleet& fleet, const Rights& rights, const http::ControlRequest& request) {
  if (fleet.ended()) return problem(503, "Busy", "pgcertd stops", "ask again when it runs");
  if (request.uid == static_cast<uid_t>(-1)) return problem(403, "Forbidden", "the kernel did not tell who asks");
  if (std::ranges::find(signing_paths, request.path) != signing_paths.end() && !rights.may_sign(request))
    return problem(403, "Forbidden", fmt::format("uid {} may look, rotate and pause here, but not issue, revoke or import", request.uid), "do it as root, or name a group of yours as control_group in [daemon]");
  if (request.path == "/v1/events/verify") return verify_events(fleet, request.body);
  if (auto answered = answer_issuer(fleet, request)) return std::move(*answered);
  const auto asked = parse_path(request.path);
  if (!asked) return problem(404, "Not found", "no such path");
  if (asked->verb == "look") return at_worker(fleet, asked->cluster, look);
  auto parsed = parse_order(asked->verb, request.body, request.uid);
  if (auto* refusal = std::get_if<http::ControlReply>(&parsed)) return std::move(*refusal);
  const Order& order = std::get<Order>(parsed);
  return at_worker(fleet, asked->cluster, [&](ClusterWorker& worker) {
    return order.command.kind == engine::Command::Kind::rotate ? rotate(worker, order) : run_command(worker, order.command);
  });
}

}  // namespace pgcertd::daemon
