// probe HOST[:PORT]: what a server serves, and for each sslmode whether a client would connect. Needs no daemon and no role.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/text.hpp"
#include "cli/moments.hpp"
#include "core/client_auth.hpp"
#include "core/sslmode.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/read_input.hpp"
#include "postgres/admission.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/probe.hpp"
#include "x509/certificate.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

constexpr Duration probe_patience = std::chrono::seconds{5};

struct Anchors {
  std::string path;  // empty: none
  std::vector<x509::Certificate> roots;
};

// As libpq: --root, else ~/.postgresql/root.crt where there is one.
Result<Anchors> find_anchors(const std::string& named) {
  Anchors anchors{named, {}};
  if (named.empty()) {
    const char* home = std::getenv("HOME");
    std::error_code ignored;  // a home that cannot be searched has no root.crt for us
    const std::string usual = home == nullptr ? std::string{} : std::string(home) + "/.postgresql/root.crt";
    if (usual.empty() || !std::filesystem::exists(usual, ignored)) return anchors;
    anchors.path = usual;
  }
  PGCERTD_TRY(const std::string bytes, read_input(anchors.path));
  PGCERTD_TRY(anchors.roots, x509::parse_certificates(bytes, printable(anchors.path)));
  return anchors;
}

struct Findings {
  ProbeSeen seen;
  Anchors anchors;
  std::string name, user;
  ClientSide client;
  postgres::Admission admission;
  std::optional<ClientAuthVerdict> client_auth;
  std::array<ModeVerdict, 6> modes;

  [[nodiscard]] bool verify_full() const { return modes.back().connects; }
};

ClientSide judge_client(const ProbeSeen& seen, const Anchors& anchors, const std::string& name, TimePoint now) {
  ClientSide client;
  client.has_root = !anchors.path.empty();
  if (seen.chain.empty()) return client;
  client.name_ok = x509::name_matches(seen.chain.front(), name);
  if (!client.name_ok) client.name_error = fmt::format("the certificate is not for \"{}\"", printable(name, 300));
  if (!client.has_root) return client;
  std::vector<x509::Certificate> chain;
  for (const std::string& pem : seen.chain_pem)
    if (auto parsed = x509::parse_certificates(pem, "the served chain")) chain.insert(chain.end(), parsed->begin(), parsed->end());
  const x509::ChainVerdict verdict = x509::verify_chain(chain, anchors.roots, x509::Purpose::server, now);
  client.chain_ok = verdict.ok;
  client.chain_error = printable(verdict.error);
  return client;
}

ServerSide judge_server(const Findings& found) {
  const ProbeSeen& seen = found.seen;
  ServerSide server;
  const bool served = seen.outcome == ProbeOutcome::served;
  if (served) server.tls_error = tls_version_fault(seen.tls_version);
  server.tls = served && server.tls_error.empty();
  server.answers = served || seen.outcome == ProbeOutcome::ssl_refused || seen.outcome == ProbeOutcome::handshake_failed;
  server.plaintext_allowed = postgres::let_in(found.admission.plaintext).value_or(true);
  server.tls_allowed = postgres::let_in(found.admission.tls).value_or(true);
  if (!server.tls_allowed && found.admission.tls.kind != LoginEnd::Kind::refused_by_hba) server.tls_refusal = found.client_auth->why;
  server.breaks_off = found.admission.tls.kind == LoginEnd::Kind::alert && seen.tls_version == "TLSv1.3";
  return server;
}

// Nobody to ask for: nothing is known, and the server is not bothered.
postgres::Admission ask_admission(const Probe& command, const postgres::Endpoint& endpoint, Duration timeout) {
  if (command.user.empty()) return {};
  return postgres::ask_admission(endpoint, {.user = command.user, .database = command.database, .certificate = command.certificate, .key = command.key}, timeout);
}

Result<std::vector<CertFacts>> read_certificates(const std::string& path) {
  std::vector<CertFacts> facts;
  if (path.empty()) return facts;
  PGCERTD_TRY(const std::string bytes, read_input(path));
  PGCERTD_TRY(const auto certificates, x509::parse_certificates(bytes, printable(path)));
  for (const x509::Certificate& certificate : certificates) facts.push_back(certificate.facts());
  return facts;
}

Json modes_json(const std::array<ModeVerdict, 6>& modes) {
  Json rows = Json::array();
  for (const ModeVerdict& mode : modes)
    rows.push_back({{"sslmode", to_string(mode.mode)},
                    {"connects", mode.connects},
                    {"encrypted", mode.encrypted},
                    {"man_in_the_middle_safe", mode.man_in_the_middle_safe},
                    {"why", printable(mode.why)}});
  return rows;
}

Json admission_json(std::optional<bool> admitted) { return admitted ? Json(*admitted) : Json(nullptr); }

std::string admission_text(const Findings& found) {
  const auto word = [](const LoginEnd& end) {
    const auto admitted = postgres::let_in(end);
    return !admitted ? "not known" : *admitted ? "let in" : "refused";
  };
  if (found.user.empty()) return "not asked: assumed to let everybody in (--user asks)";
  return fmt::format("plaintext {}, TLS {}", word(found.admission.plaintext), word(found.admission.tls));
}

std::string client_cas_text(const ProbeSeen& seen) {
  if (seen.outcome != ProbeOutcome::served) return {};
  if (seen.client_cas.empty()) return "not asked for (no ssl_ca_file in force)";
  return fmt::format("asked for, of {}", fmt::join(seen.client_cas, "; "));
}

Json client_auth_json(const Findings& found) {
  if (!found.client_auth) return nullptr;
  return {{"cause", found.client_auth->cause}, {"why", printable(found.client_auth->why, 2000)}, {"remedy", found.client_auth->remedy}};
}

Json findings_json(const Findings& found) {
  Json chain = Json::array();
  for (const CertFacts& facts : found.seen.chain) chain.push_back(to_json(facts));
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(printable(text, 4096)); };
  return {{"endpoint", printable(found.seen.endpoint)},
          {"outcome", to_string(found.seen.outcome)},
          {"detail", text_or_null(found.seen.detail)},
          {"tls_version", text_or_null(found.seen.tls_version)},
          {"cipher", text_or_null(found.seen.cipher)},
          {"root", text_or_null(found.anchors.path)},
          {"name", printable(found.name)},
          {"chain", chain},
          {"client_cas", found.seen.client_cas},
          {"pg_hba", {{"plaintext", admission_json(postgres::let_in(found.admission.plaintext))}, {"tls", admission_json(postgres::let_in(found.admission.tls))}}},
          {"client_auth", client_auth_json(found)},
          {"sslmode", modes_json(found.modes)}};
}

std::string modes_table(const Findings& found, const Session& session) {
  const auto yes_no = [](bool yes) { return yes ? cli::Cell("yes", cli::Tone::good) : cli::Cell("no", cli::Tone::warning); };
  cli::Table table({"SSLMODE", "CONNECTS", "ENCRYPTED", "MITM-SAFE", "WHY"});
  for (const ModeVerdict& mode : found.modes)
    table.add({cli::Cell(to_string(mode.mode), cli::Tone::strong), yes_no(mode.connects), yes_no(mode.encrypted),
               yes_no(mode.man_in_the_middle_safe), cli::Cell(cli::with_relative_times(mode.why, session.now()))});
  return table.render(session.style());
}

std::string findings_text(const Findings& found, const Session& session) {
  const ProbeSeen& seen = found.seen;
  cli::Table head;
  add_row(head, "endpoint", seen.endpoint);
  add_row(head, "outcome", std::string(to_string(seen.outcome)) + (seen.detail.empty() ? "" : ": " + seen.detail),
          seen.outcome == ProbeOutcome::served ? cli::Tone::good : cli::Tone::critical);
  add_row(head, "TLS", seen.tls_version.empty() ? "" : seen.tls_version + ", " + seen.cipher);
  add_row(head, "trust anchors", found.anchors.path.empty() ? "none: no --root and no ~/.postgresql/root.crt" : found.anchors.path);
  add_row(head, "name", found.name);
  add_row(head, "client certificates", client_cas_text(seen));
  add_row(head, "pg_hba.conf", admission_text(found));
  if (found.client_auth && !found.client_auth->why.empty()) {
    add_row(head, "refused because", cli::with_relative_times(found.client_auth->why, session.now()), cli::Tone::critical);
    add_row(head, "remedy", found.client_auth->remedy);
  }
  std::string out = head.render(session.style());
  for (std::size_t i = 0; i < seen.chain.size(); ++i) {
    cli::Table table({}, 2);
    add_rows(table, seen.chain[i], session.now());
    out += fmt::format("\nserved certificate {} of {}\n", i + 1, seen.chain.size()) + table.render(session.style());
  }
  return out + "\n" + modes_table(found, session);
}

}  // namespace

int run(const Probe& command, const Session& session) {
  const auto endpoint = postgres::parse_endpoint(command.target);
  if (!endpoint) {
    session.report(endpoint.error());
    return code(cli::ExitCode::usage);
  }
  auto anchors = find_anchors(command.root);
  if (!anchors) return session.report(anchors.error());
  auto sent = read_certificates(command.certificate);
  if (!sent) return session.report(sent.error());
  postgres::HandshakeProbe probe({.timeout = session.timeout(probe_patience)}, std::make_shared<postgres::Cancel>());
  Findings found{probe.probe(endpoint->text(), session.now()),
                 std::move(*anchors),
                 command.name.empty() ? endpoint->host : command.name,
                 command.user,
                 {},
                 {},
                 {},
                 {}};
  found.client = judge_client(found.seen, found.anchors, found.name, session.now());
  found.admission = ask_admission(command, *endpoint, session.timeout(probe_patience));
  found.client_auth = explain_client_auth({.end = found.admission.tls, .role = command.user, .trusted = found.seen.client_cas, .sent = std::move(*sent)}, session.now());
  found.modes = sslmode_matrix(judge_server(found), found.client);
  if (session.json())
    session.print_json(findings_json(found));
  else
    session.print(findings_text(found, session));
  return code(found.verify_full() ? cli::ExitCode::done : cli::ExitCode::failed);
}

}  // namespace pgcertd::ctl
