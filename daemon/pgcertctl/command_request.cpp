// request list, show, export, import: what an issuing CA on this host wants of the root, and what comes back.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "cli/views.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/certificate.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

struct Asked {
  std::string issuer, pem, spki_sha256, subject;
};

Result<Asked> ask_for_request(const std::string& issuer, const Session& session) {
  PGCERTD_TRY(const json reply, session.client().post("/v1/requests/export", {{"issuer", issuer}}));
  return Asked{reply.value("issuer", ""), reply.value("request", ""), reply.value("spki_sha256", ""), reply.value("subject", "")};
}

}  // namespace

int run(const RequestList&, const Session& session) {
  const auto status = session.client().get("/v1/status");
  if (!status) return session.report(status.error());
  if (session.json()) session.print_json(cli::requests_of(*status));
  else session.print(cli::requests_view(*status, session.now(), session.style()));
  return code(cli::ExitCode::done);
}

int run(const RequestShow& command, const Session& session) {
  const auto asked = ask_for_request(command.issuer, session);
  if (!asked) return session.report(asked.error());
  if (session.json()) {
    session.print_json(json{{"issuer", asked->issuer}, {"subject", asked->subject}, {"spki_sha256", asked->spki_sha256}, {"request", asked->pem}});
    return code(cli::ExitCode::done);
  }
  session.print(fmt::format("issuer         {}\nsubject        {}\nkey's SHA-256  {}\n{}", printable(asked->issuer, 63), printable(asked->subject, 200), aloud(asked->spki_sha256), asked->pem));
  return code(cli::ExitCode::done);
}

int run(const RequestExport& command, const Session& session) {
  const auto asked = ask_for_request(command.issuer, session);
  if (!asked) return session.report(asked.error());
  const std::string path = command.output.empty() ? fmt::format("{}-{}.csr", asked->issuer, asked->spki_sha256.substr(0, 16)) : command.output;
  if (const auto written = ca::replace_file(path, asked->pem, 0644); !written) return session.report(written.error());
  session.print(fmt::format("{}\n", printable(path, 4096)));
  session.warn(fmt::format("read this to whoever signs it: {}", aloud(asked->spki_sha256)));
  return code(cli::ExitCode::done);
}

int run(const RequestImport& command, const Session& session) {
  const auto bytes = read_input(command.file);
  if (!bytes) return session.report(bytes.error());
  return ask(session, "/v1/requests/import", {{"bundle", *bytes}, {"issuer", command.issuer}});
}

}  // namespace pgcertd::ctl
