// revoke SERIAL|FILE: the daemon's issuer revokes a certificate and signs its CRL anew.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/control_client.hpp"
#include "cli/terminal.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

constexpr std::size_t longest_serial = 40;

// "6E:C7:28…", as openssl prints it, or "6ec728…"; empty: no serial.
std::string normal_serial(std::string text) {
  std::erase(text, ':');
  if (text.starts_with("0x") || text.starts_with("0X")) text.erase(0, 2);
  const bool hex = std::ranges::all_of(text, [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!hex || text.size() > longest_serial) return {};
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.size() % 2 == 0 ? text : "0" + text;
}

Result<std::string> serial_of(const std::string& target) {
  if (std::string serial = normal_serial(target); !serial.empty()) return serial;
  PGCERTD_TRY(const std::string bytes, read_input(target));
  PGCERTD_TRY(const auto chain, x509::parse_certificates(bytes, printable(target)));
  return chain.front().facts().serial;
}

}  // namespace

int run(const Revoke& command, const Session& session) {
  const auto serial = serial_of(command.target);
  if (!serial) return session.report(serial.error());
  // A revocation cannot be taken back. Naming the command is consent enough for a script; a person is asked once more.
  if (!session.globals().yes && cli::is_terminal(0)) {
    const auto agreed = cli::ask_yes_no(fmt::format("Revoke serial {} for good?", *serial));
    if (!agreed) return session.report(agreed.error());
    if (!*agreed) return session.report(make_error(Errc::refused, "not confirmed, nothing was changed"));
  }
  const Result<json> reply = session.client().post("/v1/revoke", {{"serial", *serial}, {"reason", command.reason}, {"issuer", command.issuer}});
  if (!reply) return session.report(reply.error());
  if (session.json())
    session.print_json(*reply);
  else
    session.print(printable(reply->value("message", std::string("done")), 1000) + "\n");
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
