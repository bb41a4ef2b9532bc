// request list, show, export, import: what this host wants of the root, and what comes back.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "cli/moments.hpp"
#include "cli/views.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/read_input.hpp"
#include "pgcertctl/waiting_files.hpp"
#include "x509/bundle.hpp"
#include "x509/pem.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

// Issuers that have a root elsewhere; or the one that is named.
Result<std::vector<std::string>> issuers_with_a_root(const std::string& named, const Session& session) {
  if (!named.empty()) return std::vector{named};
  PGCERTD_TRY(const json status, session.client().get("/v1/status"));
  std::vector<std::string> out;
  for (const json& issuer : status.value("issuers", json::array()))
    if (issuer.value("type", "") != "self-signed") out.push_back(issuer.value("name", ""));
  if (out.empty()) return fail(Errc::not_found, "no issuer of this host has a root elsewhere", "pgcertctl status shows the issuers");
  return out;
}

Result<std::vector<Asked>> ask_daemon(const std::vector<std::string>& issuers, const Session& session) {
  std::vector<Asked> out;
  for (const std::string& issuer : issuers) {
    PGCERTD_TRY(const json reply, session.client().post("/v1/requests/export", {{"issuer", issuer}}));
    for (const json& one : reply.value("requests", json::array()))
      out.push_back({issuer, one.value("cluster", ""), one.value("request", ""), one.value("spki_sha256", ""), one.value("subject", ""), one.value("since", "")});
  }
  if (out.empty()) return fail(Errc::not_found, "no request waits for a root", "pgcertctl runway tells when the next one will");
  return out;
}

Result<std::vector<Asked>> ask_for_requests(const std::string& named, const Session& session) {
  const auto issuers = issuers_with_a_root(named, session);
  auto asked = issuers ? ask_daemon(*issuers, session) : Result<std::vector<Asked>>(fail(issuers.error()));
  if (!asked && asked.error().code == Errc::network) return waiting_in_files(named, asked.error(), session);
  return asked;
}

std::string file_name(const Asked& one) {
  return fmt::format("{}{}{}-{}.csr", one.issuer, one.cluster.empty() ? "" : "-", one.cluster, one.spki_sha256.substr(0, 16));
}

// The socket carries text.
Result<std::string> as_pem(const std::string& bytes, const std::string& name) {
  if (x509::looks_like_pem(bytes)) return bytes;
  PGCERTD_TRY(const x509::Bundle bundle, x509::parse_bundle(bytes, name));
  std::string out = x509::to_pem(bundle.certificates);
  for (const x509::Crl& crl : bundle.crls) out += crl.pem();
  return out;
}

Result<std::string> path_for(const Asked& one, const RequestExport& command, std::size_t count) {
  if (command.output.empty()) return file_name(one);
  std::error_code unreadable;
  if (std::filesystem::is_directory(command.output, unreadable)) return command.output + "/" + file_name(one);
  if (count == 1) return command.output;
  return fail(Errc::invalid, fmt::format("{} requests wait, and \"{}\" is no directory", count, printable(command.output, 4096)), "name a directory, or one issuer with --issuer");
}

std::string shown(const Asked& one, TimePoint now) {
  return fmt::format("issuer         {}\n{}subject        {}\nwaits since    {}\nkey's SHA-256  {}\n{}", printable(one.issuer, 63), one.cluster.empty() ? "" : fmt::format("cluster        {}\n", printable(one.cluster, 63)),
                     printable(one.subject, 200), cli::with_relative_times(printable(one.since, 40), now), aloud(one.spki_sha256), one.pem);
}

}  // namespace

int run(const RequestList&, const Session& session) {
  auto status = session.client().get("/v1/status");
  if (!status && status.error().code == Errc::network) status = issuers_in_files(status.error(), session);
  if (!status) return session.report(status.error());
  if (session.json()) session.print_json(cli::requests_of(*status));
  else session.print(cli::requests_view(*status, session.now(), session.style()));
  return code(cli::ExitCode::done);
}

int run(const RequestShow& command, const Session& session) {
  const auto asked = ask_for_requests(command.issuer, session);
  if (!asked) return session.report(asked.error());
  json list = json::array();
  std::string text;
  for (const Asked& one : *asked) {
    list.push_back({{"issuer", one.issuer}, {"cluster", one.cluster}, {"subject", one.subject}, {"spki_sha256", one.spki_sha256}, {"request", one.pem}});
    text += (text.empty() ? "" : "\n") + shown(one, session.now());
  }
  if (session.json()) session.print_json(list);
  else session.print(text);
  return code(cli::ExitCode::done);
}

namespace {

// The paths that were written, in the order of the requests.
Result<std::vector<std::string>> export_all(const std::vector<Asked>& asked, const RequestExport& command) {
  std::vector<std::string> paths;
  for (const Asked& one : asked) {
    PGCERTD_TRY(std::string path, path_for(one, command, asked.size()));
    PGCERTD_CHECK(ca::replace_file(path, one.pem, 0644));
    paths.push_back(std::move(path));
  }
  return paths;
}

json exported_json(const std::vector<Asked>& asked, const std::vector<std::string>& paths) {
  json list = json::array();
  for (std::size_t i = 0; i < asked.size(); ++i)
    list.push_back({{"issuer", asked[i].issuer}, {"cluster", asked[i].cluster}, {"subject", asked[i].subject}, {"spki_sha256", asked[i].spki_sha256}, {"file", printable(paths[i], 4096)}});
  return {{"requests", std::move(list)}};
}

}  // namespace

int run(const RequestExport& command, const Session& session) {
  const auto asked = ask_for_requests(command.issuer, session);
  if (!asked) return session.report(asked.error());
  const auto paths = export_all(*asked, command);
  if (!paths) return session.report(paths.error());
  if (session.json()) session.print_json(exported_json(*asked, *paths));
  else
    for (const std::string& path : *paths) session.print(printable(path, 4096) + "\n");
  for (const Asked& one : *asked) session.warn(fmt::format("read this to whoever signs {}: {}", one.cluster.empty() ? "it" : "cluster " + one.cluster, aloud(one.spki_sha256)));
  return code(cli::ExitCode::done);
}

int run(const RequestImport& command, const Session& session) {
  const auto read = read_input(command.file);
  if (!read) return session.report(read.error());
  const auto bytes = as_pem(*read, printable(command.file, 4096));
  if (!bytes) return session.report(bytes.error());
  return ask(session, "/v1/requests/import", {{"bundle", *bytes}, {"issuer", command.issuer}});
}

}  // namespace pgcertd::ctl
