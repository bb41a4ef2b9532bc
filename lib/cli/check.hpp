// `pgcertctl check`: /v1/status as a monitoring plugin says it: one line, perfdata behind a bar, exit code 0 to 3. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace pgcertd::cli {

struct CheckOptions {
  std::string cluster;              // empty: all of them
  std::optional<Duration> warning;  // a served certificate with less time left is a WARNING
  std::optional<Duration> critical;
  std::vector<std::string> only;  // judge these problem codes and no others
  Duration stale_after{};         // a status older than this tells nothing: UNKNOWN
};

struct CheckResult {
  int exit_code = 3;  // 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
  std::string line;   // without its line end
};

CheckResult check(const nlohmann::json& status, const CheckOptions& options, TimePoint now);
// UNKNOWN with a reason: the daemon cannot be reached, a wrong argument.
CheckResult check_unknown(std::string_view reason);
// What is printed: the line, or a JSON document with it.
std::string check_text(const CheckResult& result, bool as_json);

}  // namespace pgcertd::cli
