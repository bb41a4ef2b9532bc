#include "core/restart.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/file_judge.hpp"
#include "core/plan.hpp"

namespace pgcertd {
namespace {

// Why PostgreSQL might not come back: empty when nothing is known against it.
std::string start_error(const Observation& seen, const RestartOutlook& outlook) {
  if (seen.server.setting("ssl_passphrase_command").empty()) return "without ssl_passphrase_command the server would ask for the passphrase at a terminal";
  if (!outlook.passphrase_error.empty()) return "ssl_passphrase_command does not open the key: " + outlook.passphrase_error;
  if (outlook.key_spki_sha256 && *outlook.key_spki_sha256 != seen.live.chain.front().spki_sha256) return "the key does not belong to the certificate";
  if (!outlook.file_error.empty()) return outlook.file_error;
  for (const FileJudgement& file : judge_tls_files(seen))
    if (file.verdict != FileVerdict::ok) return fmt::format("{} is {}", printable(file.path), to_string(file.verdict));
  return {};
}

// Of this very certificate; another one may be tried again.
const RestartAttempt* attempt_of(const Observation& seen) {
  const auto& attempt = seen.memory.restart;
  return attempt && attempt->fingerprint_sha256 == seen.live.chain.front().fingerprint_sha256 ? &*attempt : nullptr;
}

// What has been tried is not tried again without end.
std::string tried_already(const Desired& desired, const Observation& seen, TimePoint now) {
  const RestartAttempt* attempt = attempt_of(seen);
  if (attempt == nullptr) return {};
  if (seen.server.postmaster_start != attempt->postmaster_start)
    return fmt::format("it was restarted at {} and still serves another certificate", to_rfc3339(seen.server.postmaster_start));
  const TimePoint next = attempt->at + backoff(attempt->tries, desired.check_interval);
  if (attempt->at <= now && now < next) return fmt::format("the last try failed; the next is at {}", to_rfc3339(next));
  return {};
}

RestartVerdict by_window(const Observation& seen, TimePoint now) {
  std::optional<TimePoint> next;
  for (const Interval& window : seen.restart_windows) {
    if (now >= window.end) continue;
    if (window.begin <= now) return {true, {}, {}};
    next = next ? std::min(*next, window.begin) : window.begin;
  }
  return {false, next ? "the next window opens at " + to_rfc3339(*next) : "no window opens within the next days", next};
}

}  // namespace

bool restart_cures(const Observation& seen) {
  const PostgresSeen& server = seen.server;
  if (!server.reachable() || !server.ssl_on() || seen.live.ours || seen.live.chain.empty() || !seen.tls_files.key_encrypted) return false;
  if (server.setting("ssl_passphrase_command_supports_reload") == "on") return false;
  return proof_of(seen.probes, seen.live.chain.front().fingerprint_sha256) == Proof::contradicted;
}

std::optional<RestartVerdict> judge_restart(const Desired& desired, const Observation& seen, TimePoint now) {
  if (!restart_cures(seen)) return std::nullopt;
  const auto no = [](std::string why) { return RestartVerdict{false, std::move(why), {}}; };
  if (desired.cluster.restart == RestartPolicy::never) return no("restart = \"never\"");
  if (!seen.restart) return no("what a restart would meet is not known yet");
  if (std::string why = start_error(seen, *seen.restart); !why.empty()) return no(std::move(why));
  if (seen.restart->method.empty()) return no(seen.restart->why_not);
  if (std::string why = tried_already(desired, seen, now); !why.empty()) return no(std::move(why));
  if (!seen.restart->blockers.empty()) return no(fmt::format("{}", fmt::join(seen.restart->blockers, ", ")));
  if (seen.memory.paused(now)) return no("rotation is paused");
  if (desired.cluster.restart == RestartPolicy::window) return by_window(seen, now);
  return RestartVerdict{true, {}, {}};
}

std::string restart_remedy(const Observation& seen) {
  if (seen.restart && !seen.restart->method.empty()) return seen.restart->method;
  return fmt::format("restart PostgreSQL, e.g. pg_ctl restart -m fast -D {}", printable(seen.server.data_directory));
}

}  // namespace pgcertd
