// crl show, crl refresh, crl import.
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/views.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ctl {
namespace {

// One text for the daemon, whatever the file's form.
Result<std::string> read_crls(const std::string& path) {
  PGCERTD_TRY(const std::string bytes, read_input(path));
  PGCERTD_TRY(const auto crls, x509::parse_crls(bytes, printable(path, 4096)));
  std::string pem;
  for (const x509::Crl& crl : crls) pem += crl.pem();
  return pem;
}

}  // namespace

int run(const CrlShow&, const Session& session) {
  const auto status = session.client().get("/v1/status");
  if (!status) return session.report(status.error());
  if (session.json()) session.print_json(cli::crls_of(*status));
  else session.print(cli::crls_view(*status, session.now(), session.style()));
  return code(cli::ExitCode::done);
}

int run(const CrlRefresh& command, const Session& session) { return ask(session, "/v1/crl/refresh", {{"issuer", command.issuer}}); }

int run(const CrlImport& command, const Session& session) {
  const auto crls = read_crls(command.file);
  if (!crls) return session.report(crls.error());
  return ask(session, "/v1/crl/import", {{"crl", *crls}, {"issuer", command.issuer}});
}

}  // namespace pgcertd::ctl
