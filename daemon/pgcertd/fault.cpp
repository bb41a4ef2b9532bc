#include "pgcertd/fault.hpp"

#ifdef PGCERTD_FAULT_POINTS

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.hpp"

namespace pgcertd::daemon {
namespace {

struct Point {
  std::string call, what;
  engine::CallPhase phase = engine::CallPhase::before;
  unsigned nth = 1;              // 0: every one
  unsigned seen = 0;
};

// "CALL:PHASE:N=WHAT"
std::optional<Point> parse(const std::string& text) {
  const auto equals = text.find('=');
  const auto first = text.find(':'), second = text.find(':', first + 1);
  if (equals == std::string::npos || first == std::string::npos || second == std::string::npos) return std::nullopt;
  return Point{text.substr(0, first), text.substr(equals + 1),
               text.substr(first + 1, second - first - 1) == "after" ? engine::CallPhase::after : engine::CallPhase::before,
               static_cast<unsigned>(std::strtoul(text.c_str() + second + 1, nullptr, 10)), 0};
}

// What is due at this point of the daemon's life: an end, a halt that somebody continues, or an error of the call.
std::optional<Error> error_of(const std::string& what, const std::string& call) {
  static const std::map<std::string, int> errors{{"fail", EIO}, {"no-space", ENOSPC}, {"read-only", EROFS}, {"permission", EACCES}};
  // To this thread: one for the process would be taken by another, and this one would run on for a moment.
  if (what == "kill" || what == "stop") (void)std::raise(what == "kill" ? SIGKILL : SIGSTOP);
  while (what == "hang") std::this_thread::sleep_for(std::chrono::hours{1});
  const auto found = errors.find(what);
  if (found == errors.end()) return std::nullopt;
  return errno_error("fault point", call, found->second);
}

class Injector {
 public:
  Injector(std::vector<Point> points, UniqueFd trace) : points_(std::move(points)), trace_(std::move(trace)) {}

  std::optional<Error> operator()(const std::string& call, engine::CallPhase phase) { return error_of(due(call, phase), call); }

 private:
  // Empty: nothing.
  std::string due(const std::string& call, engine::CallPhase phase) {
    const std::lock_guard lock(mutex_);
    if (trace_ && phase == engine::CallPhase::before) {
      const std::string line = call + "\n";
      if (::write(trace_.get(), line.data(), line.size()) < 0) return {};
    }
    for (Point& point : points_)
      if (point.call == call && point.phase == phase && (++point.seen == point.nth || point.nth == 0)) return point.what;
    return {};
  }

  std::mutex mutex_;
  std::vector<Point> points_;
  UniqueFd trace_;
};

}  // namespace

Faults faults_from_environment() {
  Faults out;
  const char* fault = std::getenv("PGCERTD_FAULT");
  const char* trace = std::getenv("PGCERTD_TRACE");
  std::vector<Point> points;
  std::istringstream words(fault == nullptr ? "" : fault);
  for (std::string word; std::getline(words, word, ',');) {
    if (word == "preflight=skip") out.skip_preflight = true;
    if (constexpr std::string_view limit = "worker-limit="; word.starts_with(limit)) out.worker_limit = std::chrono::seconds{std::strtoul(word.c_str() + limit.size(), nullptr, 10)};
    if (auto point = parse(word)) points.push_back(std::move(*point));
  }
  UniqueFd file(trace == nullptr ? -1 : ::open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (points.empty() && !file) return out;
  auto injector = std::make_shared<Injector>(std::move(points), std::move(file));
  out.hook = [injector](const std::string& call, engine::CallPhase phase) { return (*injector)(call, phase); };
  return out;
}

}  // namespace pgcertd::daemon

#else

namespace pgcertd::daemon {

Faults faults_from_environment() { return {}; }

}  // namespace pgcertd::daemon

#endif
