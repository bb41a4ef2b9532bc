// ControlClient: HTTP to the daemon over its Unix socket; JSON in and out. An unreachable daemon is Errc::network, a refusal
// carries the daemon's own words and remedy. Each call is a connection of its own and ends by the timeout. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>

#include "base/result.hpp"
#include "base/time.hpp"

namespace pgcertd::cli {

class ControlClient {
 public:
  ControlClient(std::string socket_path, Duration timeout) : socket_path_(std::move(socket_path)), timeout_(timeout) {}
  // `path` with its query: "/v1/events?since=7".
  [[nodiscard]] Result<nlohmann::json> get(const std::string& path) const;
  // What is no JSON: the trust bundle.
  [[nodiscard]] Result<std::string> get_text(const std::string& path) const;
  // The events after this one: at once where there are some, else when there are, at the latest after `wait`.
  [[nodiscard]] Result<nlohmann::json> events(std::int64_t since, Duration wait) const;
  [[nodiscard]] Result<nlohmann::json> post(const std::string& path, const nlohmann::json& body) const;
  [[nodiscard]] const std::string& socket_path() const noexcept { return socket_path_; }

 private:
  std::string socket_path_;
  Duration timeout_;
};

// "main" may stand in a path; anything that cannot be a cluster's name is Errc::not_found.
Result<void> check_cluster_name(const std::string& name);

}  // namespace pgcertd::cli
