#include "cli/rotation_watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"

namespace pgcertd::cli {
namespace {

using nlohmann::json;

std::optional<ExitCode> end_of(const std::string& kind, Watched watched) {
  if (kind == (watched == Watched::rollback ? "rollback-proved" : "rotation-proved")) return ExitCode::done;
  if (kind == "rolled-back" || kind == "rotation-failed" || kind == "rotation-rolled-back") return ExitCode::failed;
  return std::nullopt;
}

// What was done, and not what was asked or found.
bool is_step(std::string_view kind) { return kind != "rotation-asked" && !kind.starts_with("problem-"); }

}  // namespace

std::vector<json> RotationWatch::feed(const json& events) {
  std::vector<json> news;
  const std::int64_t seen = last_id_;
  for (const json& event : array_at(events, "events")) {
    const std::int64_t id = number_at(event, "id");
    if (id <= seen) continue;
    last_id_ = std::max(last_id_, id);
    if (text_at(event, "cluster") != cluster_) continue;
    news.push_back(event);
    if (is_step(text_at(event, "kind"))) ++steps_;
    if (!end_) end_ = end_of(text_at(event, "kind"), watched_);
  }
  return news;
}

void RotationWatch::look(const json& reply) {
  const json& rotation = at(cluster_of(reply), "rotation");
  if (!rotation.is_object()) return;
  const std::string stage = text_at(rotation, "stage");
  const json& error = at(rotation, "last_error");
  const std::string reason = error.is_object() ? text_at(error, "message") : text_of(error);
  standing_ = fmt::format("stage {}{}", printable(stage, 40), reason.empty() ? "" : ", last error: " + printable(reason));
  if (end_ || watched_ != Watched::rotation) return;   // a rollback and a pass need no leave, and the former pauses by itself
  if (!text_at(rotation, "paused_until").empty()) refuse(fmt::format("rotation of {} is paused; pgcertctl resume {}", cluster_, cluster_));
  for (const json& problem : array_at(cluster_of(reply), "problems"))
    if (text_at(problem, "code") == "takeover-needed")
      refuse(fmt::format("{} has a certificate of somebody else, which is not replaced without consent; pgcertctl takeover {}", cluster_, cluster_));
}

void RotationWatch::rest(const json& reply) {
  look(reply);
  const json& rotation = at(cluster_of(reply), "rotation");
  const std::string stage = text_at(rotation, "stage");
  if (end_ || text_at(rotation, "need") != "none" || (stage != "proved" && stage != "nothing")) return;
  end_ = ExitCode::done;
  problems_ = array_at(cluster_of(reply), "problems").size();
}

std::string_view RotationWatch::what() const noexcept {
  switch (watched_) {
    case Watched::rotation: return "rotation";
    case Watched::rollback: return "rollback";
    case Watched::pass: break;
  }
  return "pass";
}

std::string RotationWatch::summary() const {
  const std::string done = steps_ == 0 ? "nothing else was left to do" : fmt::format("what else was to do is done: {} step(s)", steps_);
  return fmt::format("{}: no certificate was due, and {}{}", cluster_, done, problems_ == 0 ? "" : fmt::format("; {} problem(s) stand: pgcertctl status {}", problems_, cluster_));
}

void RotationWatch::refuse(std::string why) {
  end_ = ExitCode::refused;
  refusal_ = std::move(why);
}

std::int64_t highest_id(const json& events, std::int64_t otherwise) {
  std::int64_t highest = otherwise;
  for (const json& event : array_at(events, "events")) highest = std::max(highest, number_at(event, "id", otherwise));
  return highest;
}

}  // namespace pgcertd::cli
