// ca init, ca show: work without a daemon, so that the machine which holds the root needs no network.
#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/ca_directory.hpp"
#include "ca/ceremony.hpp"
#include "ca/durable_file.hpp"
#include "ca/waiting_ca.hpp"
#include "cli/layout.hpp"
#include "cli/terminal.hpp"
#include "pgcertctl/ca_init.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/named_secret.hpp"
#include "pgcertctl/read_input.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<std::optional<Secret>> root_passphrase(const CaInit& command) {
  if (command.no_passphrase) return std::optional<Secret>{};
  if (command.passphrase.empty()) {
    Result<Secret> typed = cli::ask_new_passphrase("the root's key");
    if (!typed && typed.error().code == Errc::refused)
      return fail(Errc::refused, "a passphrase for the root's key cannot be asked for: there is no terminal",
                  "--passphrase file:PATH or credential:NAME; --no-passphrase leaves the key unencrypted");
    if (!typed) return fail(std::move(typed).error());
    return std::optional<Secret>(std::move(*typed));
  }
  PGCERTD_TRY(Secret given, named_secret(command.passphrase));
  return std::optional<Secret>(std::move(given));
}

// What is printed is copied into other shells and into pgcertd.toml, so a path must not depend on where we stand.
std::string absolute(const std::string& path) {
  std::error_code gone;  // without a working directory the path stays as it was given
  const auto full = path.empty() ? std::filesystem::path{} : std::filesystem::absolute(path, gone).lexically_normal();
  std::string text = gone ? path : full.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

Json report_json(const ca::InitReport& report) {
  return {{"root", to_json(report.root)},
          {"issuing", report.issuing ? to_json(*report.issuing) : Json(nullptr)},
          {"root_certificate", printable(report.root_certificate, 4096)},
          {"root_key", printable(report.root_key, 4096)},
          {"root_key_encrypted", report.root_key_encrypted},
          {"issuing_key_encrypted", report.issuing_key_encrypted},
          {"root_crl", to_json(report.root_crl)},
          {"issuing_crl", report.issuing_crl ? to_json(*report.issuing_crl) : Json(nullptr)}};
}

std::string key_words(bool encrypted) { return encrypted ? "encrypted with the passphrase" : "NOT encrypted"; }

std::string ca_block(std::string_view title, const CertFacts& facts, const Session& session) {
  cli::Table table({}, 2);
  add_row(table, "subject", facts.subject);
  add_row(table, "key", facts.key_name);
  add_row(table, "ends", moment_text(facts.not_after, session.now()));
  add_row(table, "SHA-256", facts.fingerprint_sha256);
  return session.style().paint(cli::Tone::strong, title) + "\n" + table.render(session.style());
}

std::string quoted(const std::string& path, char quote, std::string_view escaped_quote) {
  std::string out(1, quote);
  for (const char c : printable(path, 4096))
    out += c == quote ? std::string(escaped_quote) : quote == '"' && c == '\\' ? "\\\\" : std::string(1, c);
  return out + quote;
}

std::string for_toml(const std::string& path) { return quoted(path, '"', "\\\""); }

// A word for a shell; plain where no character has a meaning there.
std::string for_shell(const std::string& path) {
  constexpr std::string_view harmless = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
  return path.find_first_not_of(harmless) == std::string::npos ? path : quoted(path, '\'', "'\\''");
}

// Lines that are made to be copied are not wrapped.
std::string steps(const ca::InitOptions& options, const ca::InitReport& report) {
  const std::string root = for_shell(options.root_dir);
  const std::string name = for_shell(options.root_dir.substr(options.root_dir.find_last_of('/') + 1));
  std::string out = "\nFor clients (sslrootcert): compare the SHA-256 above when you copy it\n";
  out += fmt::format("  {}\n", for_shell(report.root_certificate));
  out += "\nThe root's key is needed again only to renew the issuing CA and the root's CRL\n";
  out += fmt::format("  {}: {}\n", for_shell(report.root_key), key_words(report.root_key_encrypted));
  out +=
      "Take it off this host: copy the whole directory to two media that you keep\napart, compare the copies, then remove it "
      "here\n";
  out += fmt::format("  cp -a {0} /media/A/ && diff -r {0} /media/A/{1}\n", root, name);
  out += fmt::format("  shred -u {} && rm -r {}\n", for_shell(report.root_key), root);
  if (!report.issuing) return out;
  out += "\nFor the daemon, in pgcertd.toml (its user must own the directory)\n  [issuer.local]\n  type = \"local\"\n";
  out += fmt::format("  directory = {}\n", for_toml(options.issuing_dir));
  if (report.issuing_key_encrypted) out += "  passphrase = \"credential:issuing-ca\"\n";
  return out;
}

Json seen_json(const ca::CaDirectorySeen& seen) {
  return {{"kind", ca::to_string(seen.kind)},
          {"certificate", to_json(seen.certificate)},
          {"root", to_json(seen.root)},
          {"crl", seen.crl ? to_json(*seen.crl) : Json(nullptr)},
          {"root_crl", seen.root_crl ? to_json(*seen.root_crl) : Json(nullptr)},
          {"key_present", seen.key_present},
          {"key_encrypted", seen.key_encrypted},
          {"key_in_token", seen.key_in_token},
          {"issued", seen.issued},
          {"revoked", seen.revoked}};
}

std::string crl_words(const std::optional<CrlFacts>& crl, TimePoint now) {
  if (!crl) return "none";
  return fmt::format("number {}, {} revoked, next update {}", crl->number, crl->revoked,
                     crl->next_update ? moment_text(*crl->next_update, now) : "never");
}

std::string directory_text(const ca::CaDirectorySeen& seen, const Session& session) {
  const bool is_root = seen.kind == ca::CaDirectorySeen::Kind::root;
  std::string out = ca_block(is_root ? "root CA" : "issuing CA", seen.certificate, session);
  cli::Table table({}, 2);
  add_row(table, "private key", !seen.key_present ? "not here" : seen.key_in_token ? "in a token" : seen.key_encrypted ? "here, encrypted" : "here, NOT encrypted");
  add_row(table, "certificates", fmt::format("{} issued, {} revoked", seen.issued, seen.revoked));
  add_row(table, "CRL", crl_words(seen.crl, session.now()));
  if (!is_root) add_row(table, "root's CRL", crl_words(seen.root_crl, session.now()));
  out += table.render(session.style());
  return is_root ? out : out + ca_block("its root CA", seen.root, session);
}

}  // namespace

Result<ca::InitOptions> ca_options(const CaInit& command) {
  ca::InitOptions options;
  options.root_dir = absolute(command.root_dir);
  options.issuing_dir = absolute(command.issuing_dir);
  options.root_common_name = command.common_name;
  options.issuing_common_name = command.issuing_common_name;
  options.root_key_uri = command.root_key;
  options.issuing_key_uri = command.issuing_key;
  options.root_key_type = command.key_type;
  options.issuing_key_type = command.issuing_key_type;
  options.root_lifetime = std::chrono::days{command.days};
  options.issuing_lifetime = std::chrono::days{command.issuing_days};
  options.root_without_passphrase = command.no_passphrase;
  PGCERTD_TRY(options.root_passphrase, root_passphrase(command));
  if (!command.issuing_passphrase.empty()) {
    PGCERTD_TRY(options.issuing_passphrase, named_secret(command.issuing_passphrase));
  }
  return options;
}

std::string ca_text(const ca::InitOptions& options, const ca::InitReport& report, const Session& session) {
  std::string out = ca_block("root CA in " + printable(options.root_dir, 4096), report.root, session);
  if (report.issuing) out += ca_block("issuing CA in " + printable(options.issuing_dir, 4096), *report.issuing, session);
  return out + steps(options, report);
}

Result<ca::IssuingOptions> issuing_options(const CaInit& command) {
  ca::IssuingOptions options;
  options.directory = absolute(command.issuing_dir);
  PGCERTD_TRY(options.root_pem, read_input(command.root_cert));
  options.common_name = command.issuing_common_name;
  options.key_uri = command.issuing_key;
  options.key_type = command.issuing_key_type;
  options.lifetime = std::chrono::days{command.issuing_days};
  if (!command.issuing_passphrase.empty()) {
    PGCERTD_TRY(options.passphrase, named_secret(command.issuing_passphrase));
  }
  return options;
}

namespace {

std::string waiting_text(const std::string& subject, const std::string& spki, const CertFacts& root, const Session& session) {
  cli::Table table({}, 2);
  add_row(table, "subject", subject);
  add_row(table, "key's SHA-256", aloud(spki));
  add_row(table, "root", root.subject);
  add_row(table, "root's SHA-256", aloud(root.fingerprint_sha256));
  return table.render(session.style());
}

std::string next_steps(const std::string& output, const std::string& directory, bool encrypted) {
  std::string out = "\nCompare the root's SHA-256 with whoever keeps the root. Its side then runs\n";
  out += fmt::format("  pgcertctl ca session --root-dir DIR {} -o back.pem\n", for_shell(output));
  out += fmt::format("\nFor the daemon, in pgcertd.toml (its user must own the directory)\n  [issuer.local]\n  type = \"local\"\n  directory = {}\n", for_toml(directory));
  if (encrypted) out += "  passphrase = \"credential:issuing-ca\"\n";
  return out + "\nand, with what came back\n  pgcertctl request import back.pem\n";
}

}  // namespace

std::string issuing_text(const ca::IssuingOptions& options, const ca::IssuingReport& report, const std::string& output, const Session& session) {
  return waiting_text(printable(report.subject, 200), report.spki_sha256, report.root, session) + next_steps(output, options.directory, report.key_encrypted);
}

namespace {

// The root's key is elsewhere: the issuing CA's is born here, and only a request leaves.
int run_issuing(const CaInit& command, const Session& session) {
  auto options = issuing_options(command);
  if (!options) return session.report(options.error());
  const std::string output = absolute(command.output.empty() ? "issuing.csr" : command.output);
  const auto report = ca::begin_issuing_ca(*options, session.now());
  if (!report) return session.report(report.error());
  const auto written = ca::replace_file(output, report->request, 0644);
  if (session.json())
    session.print_json(Json{{"subject", printable(report->subject)}, {"spki_sha256", report->spki_sha256}, {"root", to_json(report->root)}, {"request", printable(output, 4096)}, {"key_encrypted", report->key_encrypted}});
  else
    session.print(issuing_text(*options, *report, output, session));
  if (!written) return session.report(Error(written.error()).within("the issuing CA is made and waits, but its request could not be written (a copy is issuing.csr in its directory)"));
  return code(cli::ExitCode::done);
}

}  // namespace

int run(const CaInit& command, const Session& session) {
  if (!command.root_cert.empty()) return run_issuing(command, session);
  if (command.root_dir.empty()) {
    session.warn("ca init: --root-dir makes a root; --issuing-dir with --root-cert makes an issuing CA under a root that is elsewhere");
    return code(cli::ExitCode::usage);
  }
  auto options = ca_options(command);
  if (!options) return session.report(options.error());
  const auto report = ca::init_ca(*options, session.now());
  if (!report) return session.report(report.error());
  if (session.json())
    session.print_json(report_json(*report));
  else
    session.print(ca_text(*options, *report, session));
  if (!report->root_key_encrypted)
    session.warn("the root's key is not encrypted: whoever reads it can issue certificates that all clients trust");
  return code(cli::ExitCode::done);
}

namespace {

struct Shown {
  Json json;
  std::string text;
};

Result<Shown> show_directory(const std::string& directory, const Session& session) {
  const auto waiting = ca::look_for_waiting(directory);
  if (waiting && *waiting) {
    const ca::WaitingCa& ca = **waiting;
    return Shown{Json{{"kind", "waiting"}, {"subject", printable(ca.subject)}, {"spki_sha256", ca.spki_sha256}, {"root", to_json(ca.root)}},
                 "an issuing CA that waits for its first certificate\n" + waiting_text(printable(ca.subject, 200), ca.spki_sha256, ca.root, session)};
  }
  PGCERTD_TRY(const auto seen, ca::look_at(directory));
  return Shown{seen_json(seen), directory_text(seen, session)};
}

Result<std::vector<IssuerConfig>> configured_cas(const Session& session) {
  auto config = session.config();
  if (!config) {
    Error error = Error(config.error()).within("which directories there are, the configuration tells");
    error.remedy = "name a directory: pgcertctl ca show DIR";
    return fail(std::move(error));
  }
  std::vector<IssuerConfig> out;
  for (const auto& [name, issuer] : config->issuers)
    if (issuer.type == IssuerType::local) out.push_back(issuer);
  if (out.empty()) return fail(Errc::not_found, "no issuer of the configuration has a CA on this host", "name a directory: pgcertctl ca show DIR");
  return out;
}

// One that cannot be looked at hides no other.
int show_configured(const Session& session) {
  const auto issuers = configured_cas(session);
  if (!issuers) return session.report(issuers.error());
  int ended = code(cli::ExitCode::done);
  Json all = Json::array();
  for (const IssuerConfig& issuer : *issuers) {
    const auto shown = show_directory(issuer.directory, session);
    if (!shown) {
      ended = session.report(Error(shown.error()).within("issuer " + issuer.name));
      continue;
    }
    all.push_back({{"issuer", issuer.name}, {"directory", printable(issuer.directory, 4096)}, {"ca", shown->json}});
    if (!session.json()) session.print(fmt::format("{}issuer {} in {}\n{}", all.size() > 1 ? "\n" : "", issuer.name, printable(issuer.directory, 4096), shown->text));
  }
  if (session.json()) session.print_json(Json{{"issuers", std::move(all)}});
  return ended;
}

}  // namespace

int run(const CaShow& command, const Session& session) {
  if (command.directory.empty()) return show_configured(session);
  const auto shown = show_directory(command.directory, session);
  if (!shown) return session.report(shown.error());
  if (session.json()) session.print_json(shown->json);
  else session.print(shown->text);
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
