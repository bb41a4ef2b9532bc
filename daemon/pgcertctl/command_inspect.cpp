// inspect FILE|DIR|-...: needs no daemon.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.hpp"
#include "cli/layout.hpp"
#include "cli/moments.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/inspect_files.hpp"
#include "pgcertctl/named_secret.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Json request_json(const x509::RequestFacts& request) {
  Json names = Json::array();
  for (const std::string& name : request.names.dns) names.push_back(printable(name));
  for (const std::string& name : request.names.ip) names.push_back(printable(name));
  return {{"subject", printable(request.subject)},
          {"names", names},
          {"spki_sha256", request.spki_sha256},
          {"key_type", request.key_name},
          {"signature_ok", request.signature_ok}};
}

template <class T, class Make>
Json list(const std::vector<T>& items, Make make) {
  Json out = Json::array();
  for (const T& item : items) out.push_back(make(item));
  return out;
}

Json file_json(const Inspected& file) {
  const x509::Inspection& what = file.what;
  return {{"path", printable(file.path, 4096)},
          {"kind", x509::to_string(what.kind)},
          {"encoding", what.pem ? "PEM" : "DER"},
          {"certificates", list(what.certificates, [](const CertFacts& facts) { return to_json(facts); })},
          {"crls", list(what.crls, [](const CrlFacts& facts) { return to_json(facts); })},
          {"requests", list(what.requests, [](const x509::RequestFacts& facts) { return request_json(facts); })},
          {"key_type", what.key_name.empty() ? Json(nullptr) : Json(what.key_name)},
          {"key_spki_sha256", what.key_spki_sha256.empty() ? Json(nullptr) : Json(what.key_spki_sha256)},
          {"holds_private_key", what.holds_private_key},
          {"sealed", what.sealed},
          {"compared_with", file.certificate_path.empty() ? Json(nullptr) : Json(printable(file.certificate_path, 4096))},
          {"findings", list(what.findings, [](const std::string& words) { return printable(words, 1000); })}};
}

void add_request(cli::Table& table, const x509::RequestFacts& request) {
  add_row(table, "subject", request.subject);
  add_row(table, "names", names_text(request.names));
  add_row(table, "key", request.key_name);
  add_row(table, "key SHA-256", request.spki_sha256);
  add_row(table, "signature", request.signature_ok ? "proves possession of the key" : "WRONG",
          request.signature_ok ? cli::Tone::plain : cli::Tone::critical);
}

std::string file_text(const Inspected& file, const Session& session) {
  const x509::Inspection& what = file.what;
  const bool known = what.kind != x509::Inspection::Kind::unknown;
  std::string out = cli::paragraph(
      fmt::format("{}: {}{}", printable(file.path, 4096), x509::to_string(what.kind), known ? (what.pem ? ", PEM" : ", DER") : ""),
      0);
  const auto block = [&](auto&& fill) {
    cli::Table table({}, 2);
    fill(table);
    out += table.render(session.style());
  };
  for (std::size_t i = 0; i < what.certificates.size(); ++i) {
    if (what.certificates.size() > 1) out += fmt::format("  certificate {} of {}\n", i + 1, what.certificates.size());
    block([&](cli::Table& table) { add_rows(table, what.certificates[i], session.now()); });
  }
  for (const CrlFacts& crl : what.crls) block([&](cli::Table& table) { add_rows(table, crl, session.now()); });
  for (const x509::RequestFacts& request : what.requests) block([&](cli::Table& table) { add_request(table, request); });
  block([&](cli::Table& table) {
    add_row(table, "private key", what.key_name);
    add_row(table, "key SHA-256", what.key_spki_sha256);
    add_row(table, "content", what.sealed ? "sealed; --passphrase SOURCE opens it" : "");
    add_row(table, "compared with", file.certificate_path);
  });
  for (const std::string& finding : what.findings)
    out +=
        session.style().paint(cli::Tone::warning, "  finding:") + cli::paragraph(cli::with_relative_times(printable(finding, 1000), session.now()), 1, cli::page_width - 10);
  return out;
}

}  // namespace

int run(const Inspect& command, const Session& session) {
  std::optional<Secret> passphrase;
  if (!command.passphrase.empty()) {
    auto named = named_secret(command.passphrase);
    if (!named) return session.report(named.error());
    passphrase.emplace(std::move(*named));
  }
  const auto files = inspect_targets(command.targets, session.now(), passphrase ? &*passphrase : nullptr);
  if (!files) return session.report(files.error());
  bool findings = false;
  std::string text;
  Json all = Json::array();
  for (const Inspected& file : *files) {
    findings = findings || !file.what.findings.empty() || file.what.kind == x509::Inspection::Kind::unknown;
    if (session.json())
      all.push_back(file_json(file));
    else
      text += (text.empty() ? "" : "\n") + file_text(file, session);
  }
  if (session.json())
    session.print_json(Json{{"files", all}});
  else
    session.print(text);
  return code(findings ? cli::ExitCode::failed : cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
