// revoke SERIAL|FILE|--role ROLE: the daemon's issuer revokes a certificate and signs its CRL anew.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ctl {
namespace {

constexpr std::size_t longest_serial = 40;

// "6E:C7:28…", as openssl prints it, or "6ec728…"; empty: no serial.
std::string normal_serial(std::string text) {
  std::erase(text, ':');
  if (text.starts_with("0x") || text.starts_with("0X")) text.erase(0, 2);
  if (text.size() > longest_serial) return {};
  if (text.size() % 2 != 0) text.insert(text.begin(), '0');
  const auto bytes = from_hex(text);
  return bytes ? to_hex(*bytes) : std::string{};
}

Result<std::string> serial_of(const std::string& target) {
  if (std::string serial = normal_serial(target); !serial.empty()) return serial;
  const auto bytes = read_input(target);
  if (!bytes && bytes.error().code == Errc::not_found)
    return fail(Errc::not_found, fmt::format("\"{}\" is neither a serial, in hexadecimal, nor a file", printable(target)), "pgcertctl client list and pgcertctl status show serials");
  if (!bytes) return fail(bytes.error());
  PGCERTD_TRY(const auto chain, x509::parse_certificates(*bytes, printable(target)));
  return chain.front().facts().serial;
}

}  // namespace

int run(const Revoke& command, const Session& session) {
  if (!command.role.empty()) {
    const auto agreed = confirm(session, fmt::format("Revoke all certificates of the role \"{}\" for good?", printable(command.role, 80)));
    if (!agreed) return session.report(agreed.error());
    return ask(session, "/v1/revoke", {{"role", command.role}, {"reason", command.reason}, {"issuer", command.issuer}, {"terminate", command.terminate}});
  }
  const auto serial = serial_of(command.target);
  if (!serial) return session.report(serial.error());
  const auto agreed = confirm(session, fmt::format("Revoke serial {} for good?", *serial));
  if (!agreed) return session.report(agreed.error());
  return ask(session, "/v1/revoke", {{"serial", *serial}, {"reason", command.reason}, {"issuer", command.issuer}, {"terminate", command.terminate}});
}

}  // namespace pgcertd::ctl
