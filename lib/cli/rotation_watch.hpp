// RotationWatch: follows one asked-for rotation or rollback through the daemon's events to its end (`--wait`). Fed with what the
// daemon answers; decides, and reads nothing itself. One thread.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/exit_code.hpp"

namespace pgcertd::cli {

// pass: no new certificate was due, and other steps are (a CRL, settings, files): it ends where nothing is left to do.
enum class Watched : std::uint8_t { rotation, rollback, pass };

class RotationWatch {
 public:
  // Events up to `after_id` happened before it was asked for.
  RotationWatch(std::string cluster, std::int64_t after_id, Watched watched = Watched::rotation)
      : cluster_(std::move(cluster)), watched_(watched), last_id_(after_id) {}
  // Takes /v1/events; gives back those of the cluster that are new, oldest first.
  std::vector<nlohmann::json> feed(const nlohmann::json& events);
  // Takes /v1/clusters/NAME.
  void look(const nlohmann::json& reply);
  // The same, where the daemon has said that it is at rest.
  void rest(const nlohmann::json& reply);
  [[nodiscard]] bool ends_at_rest() const noexcept { return watched_ == Watched::pass; }
  [[nodiscard]] std::string_view what() const noexcept;
  // The end, once it is known: done (proved), failed (or rolled back), refused (paused, or no consent to a takeover).
  [[nodiscard]] std::optional<ExitCode> end() const noexcept { return end_; }
  // Where it stands, for the message of a time-out.
  [[nodiscard]] const std::string& standing() const noexcept { return standing_; }
  // What a pass came to.
  [[nodiscard]] std::string summary() const;
  // Why it ended as refused, and what to do.
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  [[nodiscard]] std::int64_t last_id() const noexcept { return last_id_; }

 private:
  void refuse(std::string why);
  std::string cluster_, refusal_;
  Watched watched_;
  std::int64_t last_id_;
  std::size_t steps_ = 0, problems_ = 0;
  std::optional<ExitCode> end_;
  std::string standing_ = "nothing has been seen of it yet";
};

// The highest id in /v1/events, or `otherwise`.
std::int64_t highest_id(const nlohmann::json& events, std::int64_t otherwise);

}  // namespace pgcertd::cli
