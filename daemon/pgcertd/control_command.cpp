#include "pgcertd/control_command.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "status/json.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;
using engine::Command;
using nlohmann::json;

constexpr std::size_t most_of_a_reason = 512;

std::variant<Order, http::ControlReply> pause(const json& body, uid_t uid) {
  const auto length = parse_duration(body.value("for", std::string{}));
  if (!length) return problem(400, "Bad duration", length.error().text(), length.error().remedy);
  if (*length <= 0ms || *length > days{3650})
    return problem(400, "Bad duration", "a pause lasts more than nothing and at most ten years", "write it like 2h or 7d");
  Command command;
  command.kind = Command::Kind::pause, command.pause_for = *length, command.uid = uid;
  command.reason = body.value("reason", std::string{}).substr(0, most_of_a_reason);
  return Order{std::move(command)};
}

std::variant<Order, http::ControlReply> order(const std::string& verb, const json& body, uid_t uid) {
  if (verb == "pause") return pause(body, uid);
  Command command;
  command.uid = uid;
  if (verb == "rotate") {
    command.force = body.value("force", false);
    return Order{std::move(command), body.value("dry_run", false)};
  }
  if (verb == "rollback")
    command.kind = Command::Kind::rollback;
  else if (verb == "resume")
    command.kind = Command::Kind::resume;
  else if (verb == "takeover")
    command.kind = Command::Kind::takeover;
  else
    return problem(404, "Not found", fmt::format("there is no \"{}\" that could be asked of a cluster", verb));
  return Order{std::move(command)};
}

}  // namespace

http::ControlReply done(const std::string& message, json more) {
  more["accepted"] = true;
  more["message"] = message;
  return {200, more.dump()};
}

http::ControlReply problem(int status, std::string_view title, std::string_view detail, const std::string& remedy) {
  json body = json::parse(status::problem_json(status, title, detail));
  if (!remedy.empty()) body["remedy"] = remedy;
  return {status, body.dump()};
}

http::ControlReply problem(const Error& error) {
  const bool policy = error.code == Errc::refused;
  return problem(policy ? 409 : 500, policy ? "Refused" : "Failed", error.text(), error.remedy);
}

std::optional<Asked> parse_path(const std::string& path) {
  constexpr std::string_view prefix = "/v1/clusters/";
  if (!path.starts_with(prefix)) return std::nullopt;
  const std::string rest = path.substr(prefix.size());
  const auto slash = rest.find('/');
  if (slash == std::string::npos || rest.find('/', slash + 1) != std::string::npos) return std::nullopt;
  return Asked{rest.substr(0, slash), rest.substr(slash + 1)};
}

std::variant<Order, http::ControlReply> parse_order(const std::string& verb, const std::string& body, uid_t uid) {
  const json parsed = body.empty() ? json::object() : json::parse(body, nullptr, false);
  if (!parsed.is_object()) return problem(400, "Bad request", "the body is no JSON object");
  try {
    return order(verb, parsed, uid);
  } catch (const json::exception& error) {
    return problem(400, "Bad request", error.what());
  }
}

}  // namespace pgcertd::daemon
