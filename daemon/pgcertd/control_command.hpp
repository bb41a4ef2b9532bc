// What a request on the control socket asks for, as values, or the answer that refuses it. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <variant>

#include "engine/reconciler.hpp"
#include "http/control.hpp"

namespace pgcertd::daemon {

// "/v1/clusters/NAME/VERB"
struct Asked {
  std::string cluster, verb;
};
std::optional<Asked> parse_path(const std::string& path);

struct Order {
  engine::Command command;
  bool dry_run = false;           // rotate: show the plan only
};
std::variant<Order, http::ControlReply> parse_order(const std::string& verb, const std::string& body, uid_t uid);

// What was done, in words, beside `more`.
http::ControlReply done(const std::string& message, nlohmann::json more = nlohmann::json::object());
// application/problem+json.
http::ControlReply problem(int status, std::string_view title, std::string_view detail, const std::string& remedy = {});
http::ControlReply problem(const Error& error);

}  // namespace pgcertd::daemon
