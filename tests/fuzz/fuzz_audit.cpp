// Text that a server's settings, files and views hold: cipher lists, DH parameters, values with units, rows of pg_hba.conf,
// serials in decimal. Each is judged without a crash, and what people are shown of it is printable.
#include <vector>

#include "core/hba.hpp"
#include "core/setting_value.hpp"
#include "fuzz.hpp"
#include "postgres/serial.hpp"
#include "x509/parameters.hpp"

using namespace pgcertd;
using fuzz::require;

namespace {

std::vector<std::string> fields_of(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == '\n') out.emplace_back();
    else out.back() += c;
  }
  return out;
}

HbaRule rule_of(const std::vector<std::string>& fields) {
  const auto at = [&](std::size_t i) { return i < fields.size() ? fields[i] : std::string{}; };
  HbaRule rule;
  rule.file = at(0), rule.type = at(1), rule.databases = {at(2)}, rule.users = {at(3)}, rule.address = at(4), rule.netmask = at(5), rule.method = at(6);
  rule.options = {at(7)}, rule.error = at(8);
  return rule;
}

void judge(const std::vector<std::string>& fields) {
  PostgresSeen server;
  server.fault = ServerFault::none, server.known = true, server.version_num = 150000;
  const HbaRule rule = rule_of(fields);
  HbaRule reject = rule;
  reject.type = "hostnossl", reject.method = "reject", reject.error.clear();
  for (const Finding& finding : judge_hba(server, {rule, reject, rule})) {
    fuzz::require_printable(finding.message);
    fuzz::require_printable(finding.object);
    fuzz::require_printable(finding.remedy);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  const std::vector<std::string> fields = fields_of(text);
  judge(fields);
  (void)x509::weak_ciphers(text);
  if (const auto bits = x509::dh_bits(text)) require(*bits >= 0);
  const std::string hex = postgres::hex_of_decimal(text);
  require(hex.size() % 2 == 0 && hex.size() <= 68);
  for (const char* type : {"bool", "integer", "real", "enum", "string"}) {
    require(same_value(type, "kB", text, text));
    (void)same_value(type, fields.front(), text, "1");
  }
  return 0;
}
