#include "pgcertd/fault.hpp"

#ifdef PGCERTD_FAULT_POINTS

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>

#include "base/unique_fd.hpp"

namespace pgcertd::daemon {
namespace {

struct Point {
  std::string call, what;
  engine::CallPhase phase = engine::CallPhase::before;
  unsigned nth = 1;              // 0: every one
};

// "CALL:PHASE:N=WHAT"
std::optional<Point> parse(const std::string& text) {
  const auto equals = text.find('=');
  const auto first = text.find(':'), second = text.find(':', first + 1);
  if (equals == std::string::npos || first == std::string::npos || second == std::string::npos) return std::nullopt;
  return Point{text.substr(0, first), text.substr(equals + 1),
               text.substr(first + 1, second - first - 1) == "after" ? engine::CallPhase::after : engine::CallPhase::before,
               static_cast<unsigned>(std::strtoul(text.c_str() + second + 1, nullptr, 10))};
}

std::optional<Error> error_of(const std::string& what, const std::string& call) {
  static const std::map<std::string, int> errors{{"fail", EIO}, {"no-space", ENOSPC}, {"read-only", EROFS}, {"permission", EACCES}};
  const auto found = errors.find(what);
  if (found == errors.end()) return std::nullopt;
  return errno_error("fault point", call, found->second);
}

class Injector {
 public:
  Injector(std::optional<Point> point, UniqueFd trace) : point_(std::move(point)), trace_(std::move(trace)) {}

  std::optional<Error> operator()(const std::string& call, engine::CallPhase phase) {
    const std::lock_guard lock(mutex_);
    if (trace_ && phase == engine::CallPhase::before) {
      const std::string line = call + "\n";
      if (::write(trace_.get(), line.data(), line.size()) < 0) return std::nullopt;
    }
    if (!point_ || point_->call != call || point_->phase != phase) return std::nullopt;
    ++seen_;
    if (point_->nth != 0 && seen_ != point_->nth) return std::nullopt;
    if (point_->what == "kill") (void)::kill(::getpid(), SIGKILL);
    return error_of(point_->what, call);
  }

 private:
  std::mutex mutex_;
  std::optional<Point> point_;
  UniqueFd trace_;
  unsigned seen_ = 0;
};

}  // namespace

Faults faults_from_environment() {
  Faults out;
  const char* fault = std::getenv("PGCERTD_FAULT");
  const char* trace = std::getenv("PGCERTD_TRACE");
  if (fault != nullptr && std::string{fault} == "preflight=skip") out.skip_preflight = true;
  auto point = fault == nullptr ? std::nullopt : parse(fault);
  UniqueFd file(trace == nullptr ? -1 : ::open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!point && !file) return out;
  auto injector = std::make_shared<Injector>(std::move(point), std::move(file));
  out.hook = [injector](const std::string& call, engine::CallPhase phase) { return (*injector)(call, phase); };
  return out;
}

}  // namespace pgcertd::daemon

#else

namespace pgcertd::daemon {

Faults faults_from_environment() { return {}; }

}  // namespace pgcertd::daemon

#endif
