#include "x509/openssl_error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace pgcertd::x509 {
namespace {

std::string reason_text(unsigned long code) {
  if (code == 0) return "no reason given";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  return fmt::format("error {:#x}", code);
}

}  // namespace

std::string first_reason() {
  std::string reason = reason_text(ERR_get_error());
  ERR_clear_error();
  return reason;
}

std::string drain_errors() {
  std::vector<std::string> reasons;
  while (const unsigned long code = ERR_get_error()) {
    std::string reason = reason_text(code);
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) reasons.push_back(std::move(reason));
  }
  return reasons.empty() ? reason_text(0) : fmt::format("{}", fmt::join(reasons, "; "));
}

Error openssl_error(std::string_view call, std::string_view object, Errc code) {
  return make_error(code, fmt::format("{} \"{}\": {}", call, object, drain_errors()));
}

}  // namespace pgcertd::x509
