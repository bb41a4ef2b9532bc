#include "core/hba.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using P = ProblemCode;

// What the view says of a hostssl row while ssl is off: PostgreSQL loads it, and it is of no use.
constexpr std::string_view never_matches = "hostssl record cannot match because SSL is disabled";

// A file of a thousand bad rows is one problem, not a thousand.
constexpr std::size_t rows_told = 10;

bool has(const std::vector<std::string>& list, std::string_view word) { return std::find(list.begin(), list.end(), word) != list.end(); }

bool zero_mask(const HbaRule& rule) { return rule.netmask == "0.0.0.0" || rule.netmask == "::"; }

bool of_ip6(const std::string& address) { return address.find(':') != std::string::npos; }

bool is_loopback(const HbaRule& rule) {
  if (rule.address == "localhost") return true;
  if (rule.address == "::1") return rule.netmask == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  return rule.address.starts_with("127.") && rule.netmask.starts_with("255.");
}

bool takes_plaintext(const HbaRule& rule) { return rule.error.empty() && rule.method != "reject" && (rule.type == "host" || rule.type == "hostnossl" || rule.type == "hostnogssenc"); }

bool turns_plaintext_away(const HbaRule& rule) { return rule.error.empty() && rule.method == "reject" && (rule.type == "host" || rule.type == "hostnossl"); }

bool matches_all_of(const HbaRule& outer, const HbaRule& inner) {
  const auto covers = [](const std::vector<std::string>& a, const std::vector<std::string>& b) {
    return has(a, "all") || std::all_of(b.begin(), b.end(), [&](const std::string& one) { return has(a, one); });
  };
  return covers(outer.databases, inner.databases) && covers(outer.users, inner.users);
}

// Rows that stand before this one and turn away what it would take in plaintext. "all" may be covered by two, one a family.
bool covered(const std::vector<HbaRule>& rules, std::size_t at) {
  bool ip4 = false, ip6 = false;
  for (const HbaRule& before : std::span(rules).first(at)) {
    if (!turns_plaintext_away(before) || !matches_all_of(before, rules[at])) continue;
    if (address_covers(before, rules[at])) return true;
    if (zero_mask(before)) (of_ip6(before.address) ? ip6 : ip4) = true;
  }
  return ip4 && ip6;
}

const HbaRule* reject_after(const std::vector<HbaRule>& rules, std::size_t at) {
  for (const HbaRule& after : std::span(rules).subspan(at + 1))
    if (turns_plaintext_away(after) && matches_all_of(after, rules[at]) && (address_covers(after, rules[at]) || zero_mask(after))) return &after;
  return nullptr;
}

std::string describe(const HbaRule& rule) {
  if (rule.type.empty()) return "the row";   // the view shows nothing of a row with an error
  std::string out = fmt::format("{} {} {}", rule.type, fmt::join(rule.databases, ","), fmt::join(rule.users, ","));
  if (!rule.address.empty()) out += " " + rule.address + (rule.netmask.empty() ? "" : " " + rule.netmask);
  out += " " + rule.method;
  for (const std::string& option : rule.options) out += " " + option;
  return "`" + printable(out, 200) + "`";
}

const std::string* clientcert_option(const HbaRule& rule) {
  for (const std::string& option : rule.options)
    if (option.starts_with("clientcert=")) return &option;
  return nullptr;
}

struct Rows {
  const PostgresSeen& server;
  const std::vector<HbaRule>& rules;
  std::vector<Finding> out;

  void add(P code, const HbaRule& rule, std::string effect, std::string remedy) { add(code, row(code).severity, rule, std::move(effect), std::move(remedy)); }
  void add(P code, Severity severity, const HbaRule& rule, std::string effect, std::string remedy) {
    const auto of_code = [&](const Finding& f) { return f.code == code; };
    if (static_cast<std::size_t>(std::count_if(out.begin(), out.end(), of_code)) >= rows_told) return;
    out.push_back({code, severity, place_of(rule), fmt::format("{}: {} {}", place_of(rule), describe(rule), effect), std::move(remedy)});
  }
};

void judge_plaintext(Rows& rows, std::size_t at) {
  const HbaRule& rule = rows.rules[at];
  if (!takes_plaintext(rule) || reach_of(rule) != HbaReach::network || covered(rows.rules, at)) return;
  if (const HbaRule* late = reject_after(rows.rules, at))
    return rows.add(P::hba_plaintext, rule, fmt::format("lets plaintext in before {} could reject it: the first row that matches decides", place_of(*late)),
                    fmt::format("move {} above it, or write hostssl here", place_of(*late)));
  rows.add(P::hba_plaintext, rule, "lets clients in without TLS", rule.type == "host" ? "write hostssl instead of host" : fmt::format("remove it, or write hostssl instead of {}", rule.type));
}

void judge_method(Rows& rows, const HbaRule& rule) {
  if (!rule.error.empty() || reach_of(rule) != HbaReach::network) return;
  if (rule.method == "trust")
    return rows.add(P::hba_auth_weak, Severity::critical, rule, "lets everybody in who names a role", "use scram-sha-256, or cert with client certificates");
  if (rule.method == "password" && takes_plaintext(rule))
    return rows.add(P::hba_auth_weak, Severity::critical, rule, "takes passwords in clear text, also without TLS", "write hostssl and scram-sha-256");
  if (rule.method == "md5" || rule.method == "password")
    rows.add(P::hba_auth_weak, Severity::warning, rule, rule.method == "md5" ? "still takes MD5 passwords, which can be replayed by who reads them from pg_authid" : "hands the server the password itself",
             "set password_encryption = 'scram-sha-256', let the roles set their passwords anew, and write scram-sha-256");
}

void judge_certificates(Rows& rows, const HbaRule& rule) {
  if (rule.error.empty() && asks_for_certificate(rule) && rows.server.setting("ssl_ca_file").empty())
    rows.add(P::hba_clientcert_without_ca, rule, "asks for a client certificate, and ssl_ca_file is empty: everybody is refused", "set ssl_ca_file to the CA that signs the clients' certificates");
}

// hba.c refuses the whole file for these, and pg_hba_file_rules shows no error for some of them.
void judge_rejected(Rows& rows, const HbaRule& rule) {
  const std::string remedy = "correct the row, reload, and look for \"pg_hba.conf was not reloaded\" in the server's log";
  if (rule.error == never_matches) return;
  if (rule.type.empty() && rule.error.empty())
    return rows.add(P::hba_rejected, rule, "is refused though pg_hba_file_rules shows no error, as clientcert=1 and clientcert=0 are since PostgreSQL 14: the server goes on with the rules it loaded before", remedy);
  if (!rule.error.empty()) return rows.add(P::hba_rejected, rule, "is refused (" + printable(rule.error, 200) + "): the server goes on with the rules it loaded before", remedy);
  const std::string* option = clientcert_option(rule);
  if (option == nullptr) return;
  if (rule.type != "hostssl") return rows.add(P::hba_rejected, rule, "has clientcert outside hostssl: the file is not loaded", remedy);
}

void judge_unreachable(Rows& rows) {
  if (rows.server.ssl_on()) return;
  const auto ssl_row = std::find_if(rows.rules.begin(), rows.rules.end(), [](const HbaRule& r) { return r.error == never_matches; });
  if (ssl_row != rows.rules.end()) rows.add(P::ssl_off, *ssl_row, "never matches while ssl is off: who depends on it is refused", "set enable_ssl = true, or ssl = on");
}

}  // namespace

HbaReach reach_of(const HbaRule& rule) noexcept {
  if (rule.type == "local") return HbaReach::socket;
  return rule.address == "samehost" || is_loopback(rule) ? HbaReach::this_host : HbaReach::network;
}

bool address_covers(const HbaRule& outer, const HbaRule& inner) noexcept {
  if (outer.address == "all") return true;
  if (outer.address == inner.address && outer.netmask == inner.netmask) return true;
  const bool numbers = !inner.netmask.empty();
  return numbers && zero_mask(outer) && of_ip6(outer.address) == of_ip6(inner.address);
}

bool asks_for_certificate(const HbaRule& rule) noexcept {
  if (rule.method == "cert") return true;
  const std::string* option = clientcert_option(rule);
  return option != nullptr && *option != "clientcert=0" && *option != "clientcert=no-verify";
}

std::string place_of(const HbaRule& rule) {
  const auto slash = rule.file.rfind('/');
  const std::string file = rule.file.empty() ? "pg_hba.conf" : rule.file.substr(slash == std::string::npos ? 0 : slash + 1);
  return fmt::format("{}:{}", printable(file, 60), rule.line);
}

std::vector<Finding> judge_hba(const PostgresSeen& server, const std::vector<HbaRule>& rules) {
  Rows rows{server, rules, {}};
  for (std::size_t at = 0; at < rules.size(); ++at) {
    judge_rejected(rows, rules[at]);
    judge_certificates(rows, rules[at]);
    judge_plaintext(rows, at);
    judge_method(rows, rules[at]);
  }
  judge_unreachable(rows);
  return std::move(rows.out);
}

}  // namespace pgcertd
