#include "pgcertd/control_revoke.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "pgcertd/control_command.hpp"

namespace pgcertd::daemon {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto signing_patience = 30s;
constexpr std::size_t longest_serial = 40;   // 20 octets (RFC 5280 4.1.2.2)

struct Wish {
  std::string issuer, serial, reason;
};

std::optional<Wish> parse_wish(const std::string& body) {
  const json parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object()) return std::nullopt;
  const auto text = [&](const char* key) {
    const auto found = parsed.find(key);
    return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  return Wish{text("issuer"), text("serial"), text("reason")};
}

bool is_serial(const std::string& text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return !text.empty() && text.size() <= longest_serial && std::ranges::all_of(text, hex);
}

// The one that is named, or the only one there is.
Result<std::string> choose_issuer(const Fleet& fleet, const std::string& named) {
  const auto names = fleet.issuer_names();
  if (!named.empty() && std::ranges::find(names, named) == names.end())
    return fail(Errc::not_found, fmt::format("no issuer \"{}\" is configured", printable(named, 63)), fmt::format("one of: {}", fmt::join(names, " ")));
  if (!named.empty()) return named;
  if (names.size() != 1) return fail(Errc::invalid, "several issuers are configured", fmt::format("name the one that issued it: --issuer {}", fmt::join(names, "|")));
  return names.front();
}

http::ControlReply refusal(const Error& error) {
  const int status = error.code == Errc::not_found ? 404 : error.code == Errc::invalid ? 400 : 0;
  return status == 0 ? problem(error) : problem(status, "Not revoked", error.text(), error.remedy);
}

}  // namespace

http::ControlReply answer_revoke(const Fleet& fleet, const http::ControlRequest& request) {
  const auto wish = parse_wish(request.body);
  if (!wish) return problem(400, "Bad request", "the body is no JSON object");
  if (!is_serial(wish->serial)) return problem(400, "Bad serial", fmt::format("\"{}\" is no serial number: up to 40 hexadecimal digits", printable(wish->serial, 80)));
  const auto name = choose_issuer(fleet, wish->issuer);
  if (!name) return refusal(name.error());
  const auto issuer = fleet.find_issuer(*name);
  if (!issuer) return problem(503, "Busy", "the configuration is being changed", "ask again");
  auto done = issuer->start_revoking(wish->serial, wish->reason);
  if (done.wait_for(signing_patience) != std::future_status::ready) return problem(504, "No answer", "the issuer is busy; the certificate is revoked when it gets to it", "pgcertctl status");
  try {
    if (const auto revoked = done.get(); !revoked) return refusal(revoked.error());
  } catch (const std::future_error&) {
    return problem(503, "Busy", "the issuer ended: the configuration changed, or the daemon stops", "ask again");
  }
  const std::string message = fmt::format("serial {} of issuer {} is revoked ({}), and the CRL says so", wish->serial, *name, wish->reason);
  fleet.log().write({LogLevel::notice, fmt::format("{}; asked for by uid {}", message, request.uid), "certificate-revoked", {{"PGCERTD_ISSUER", *name}, {"PGCERTD_SERIAL", wish->serial}}});
  return {200, json{{"accepted", true}, {"message", message}}.dump()};
}

}  // namespace pgcertd::daemon
