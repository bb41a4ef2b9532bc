#include "pgcertd/control.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "status/json.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

// A pass over a server that hangs has deadlines of its own; an operator waits no longer than this.
constexpr auto patience = 30s;

http::ControlReply problem(int status, std::string_view title, std::string_view detail, const std::string& remedy = {}) {
  json body = json::parse(status::problem_json(status, title, detail));
  if (!remedy.empty()) body["remedy"] = remedy;
  return {status, body.dump()};
}

http::ControlReply problem(const Error& error) {
  const bool policy = error.code == Errc::refused;
  return problem(policy ? 409 : 500, policy ? "Refused" : "Failed", error.text(), error.remedy);
}

struct Asked {
  std::string cluster, verb;
};

// "/v1/clusters/NAME/VERB"
std::optional<Asked> parse_path(const std::string& path) {
  constexpr std::string_view prefix = "/v1/clusters/";
  if (!path.starts_with(prefix)) return std::nullopt;
  const std::string rest = path.substr(prefix.size());
  const auto slash = rest.find('/');
  if (slash == std::string::npos || rest.find('/', slash + 1) != std::string::npos) return std::nullopt;
  return Asked{rest.substr(0, slash), rest.substr(slash + 1)};
}

http::ControlReply run_command(ClusterWorker& worker, engine::Command command) {
  auto answer = worker.command(std::move(command));
  if (answer.wait_for(patience) != std::future_status::ready) return problem(504, "No answer", "the cluster's worker is busy", "try again, or look at pgcertctl status");
  const Result<std::string> text = answer.get();
  if (!text) return problem(text.error());
  return {200, json{{"accepted", true}, {"message", *text}}.dump()};
}

std::string not_due(const Plan& plan) {
  std::string text = "nothing is due";
  if (plan.renew_at) text += "; the renewal is planned for " + to_rfc3339(*plan.renew_at);
  return text + "; --force rotates all the same";
}

http::ControlReply rotate(ClusterWorker& worker, const json& body, uid_t uid) {
  const bool force = body.value("force", false), dry_run = body.value("dry_run", false);
  auto previewed = worker.preview(force);
  if (previewed.wait_for(patience) != std::future_status::ready) return problem(504, "No answer", "the cluster's worker is busy", "try again, or look at pgcertctl status");
  const Plan plan = previewed.get();
  const json shown = json::parse(status::plan_json(plan));
  if (dry_run) return {200, json{{"accepted", false}, {"message", plan.need == Need::none ? not_due(plan) : "this is what would be done"}, {"plan", shown}}.dump()};
  if (plan.need == Need::none && !force && plan.at_rest) return {200, json{{"accepted", false}, {"message", not_due(plan)}, {"plan", shown}}.dump()};
  engine::Command command;
  command.kind = engine::Command::Kind::rotate, command.force = force, command.uid = uid;
  http::ControlReply reply = run_command(worker, std::move(command));
  if (reply.status != 200) return reply;
  json out = json::parse(reply.body);
  out["plan"] = shown;
  return {200, out.dump()};
}

http::ControlReply pause(ClusterWorker& worker, const json& body, uid_t uid) {
  const auto length = parse_duration(body.value("for", std::string{}));
  if (!length) return problem(400, "Bad duration", length.error().text(), length.error().remedy);
  if (*length <= 0ms || *length > days{3650}) return problem(400, "Bad duration", "a pause lasts more than nothing and at most ten years");
  engine::Command command;
  command.kind = engine::Command::Kind::pause, command.pause_for = *length, command.reason = body.value("reason", std::string{}).substr(0, 512), command.uid = uid;
  return run_command(worker, std::move(command));
}

http::ControlReply simple(ClusterWorker& worker, engine::Command::Kind kind, uid_t uid) {
  engine::Command command;
  command.kind = kind, command.uid = uid;
  return run_command(worker, std::move(command));
}

http::ControlReply dispatch(ClusterWorker& worker, const std::string& verb, const json& body, uid_t uid) {
  if (verb == "rotate") return rotate(worker, body, uid);
  if (verb == "pause") return pause(worker, body, uid);
  if (verb == "resume") return simple(worker, engine::Command::Kind::resume, uid);
  if (verb == "takeover") return simple(worker, engine::Command::Kind::takeover, uid);
  return problem(404, "Not found", fmt::format("there is no \"{}\" that could be asked of a cluster", verb));
}

}  // namespace

http::ControlReply answer_control(const Fleet& fleet, const http::ControlRequest& request) {
  if (request.uid == static_cast<uid_t>(-1)) return problem(403, "Forbidden", "the kernel did not tell who asks");
  const auto asked = parse_path(request.path);
  if (!asked) return problem(404, "Not found", "no such path");
  const auto worker = fleet.find(asked->cluster);
  if (!worker) return problem(404, "Not found", fmt::format("no cluster \"{}\" is configured", asked->cluster), "pgcertctl status lists them");
  const json body = request.body.empty() ? json::object() : json::parse(request.body, nullptr, false);
  if (!body.is_object()) return problem(400, "Bad request", "the body is no JSON object");
  try {
    return dispatch(*worker, asked->verb, body, request.uid);
  } catch (const json::exception& error) {
    return problem(400, "Bad request", error.what());
  }
}

}  // namespace pgcertd::daemon
