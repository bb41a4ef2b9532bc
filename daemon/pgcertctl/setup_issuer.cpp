#include "pgcertctl/setup_issuer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "ca/ca_directory.hpp"
#include "ca/durable_file.hpp"
#include "ca/waiting_ca.hpp"
#include "cli/secret_input.hpp"
#include "pgcertctl/ca_init.hpp"
#include "pgcertctl/setup_credential.hpp"
#include "pgcertctl/setup_files.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::ctl {
namespace {

const IssuerConfig* local_issuer(const Config& config) {
  for (const auto& [name, issuer] : config.issuers)
    if (issuer.type == IssuerType::local) return &issuer;
  return nullptr;
}

std::string issuing_directory(const Host& host) {
  const IssuerConfig* issuer = local_issuer(host.config);
  return issuer != nullptr ? issuer->directory : host.config.daemon.state_directory + "/ca";
}

// Nothing is said of an issuer but, where a cluster is configured, by the defaults.
bool names_no_issuer(const Config& config) {
  const IssuerConfig by_default{.name = "local", .directory = config.daemon.state_directory + "/ca", .passphrase = {}, .crl_url = {}, .root_certificate = {}};
  return config.issuers.empty() || (config.issuers.size() == 1 && config.issuers.begin()->second == by_default);
}

bool is_offline(const Host& host) { return host.command.issuer == "offline"; }

// What the issuing CA's key is, or will be once setup has made it.
Result<bool> key_is_encrypted(const Host& host) {
  const auto key = ca::read_secret_file(ca::IssuingDirectory{issuing_directory(host)}.key());
  if (!key && key.error().code == Errc::not_found) return !host.system_directory.empty();
  if (!key) return fail(Error(key.error()));
  return x509::is_encrypted_key(key->view());
}

// nullopt: the defaults say it.
Result<std::optional<IssuerConfig>> new_issuer(const Host& host) {
  IssuerConfig out{.name = host.command.issuer, .directory = {}, .passphrase = {}, .crl_url = {}, .root_certificate = {}};
  if (is_offline(host)) out.root_certificate = root_file(host);
  if (out.name != "local") return std::optional(out);
  PGCERTD_TRY(const bool encrypted, key_is_encrypted(host));
  if (!encrypted) return std::optional<IssuerConfig>();
  out.directory = issuing_directory(host);
  out.passphrase = {SecretSource::Kind::credential, issuing_credential};
  return std::optional(out);
}

Result<std::string> root_text(const Host& host) {
  PGCERTD_TRY(const auto root, ca::read_certificate(host.command.root_cert));
  if (!root.facts().is_ca) return fail(Errc::invalid, fmt::format("\"{}\" is no CA's certificate", printable(host.command.root_cert, 4096)), "--root-cert names root.crt of the root's directory");
  return marked(root.pem(), "#");
}

// For issuer type offline: what comes back from the root is taken only under this one.
Step root_step(const Host& host) {
  const auto look = [&host]() -> Result<StepSeen> {
    PGCERTD_TRY(const FileState state, state_of_file(root_file(host)));
    if (state != FileState::absent) return StepSeen{true, "a root's certificate is there, and stays as it is"};
    PGCERTD_CHECK(root_text(host));
    PGCERTD_TRY(const auto root, ca::read_certificate(host.command.root_cert));
    return StepSeen{false, fmt::format("copy it from {}; compare its SHA-256 with whoever keeps the root: {}", host.command.root_cert, root.facts().fingerprint_sha256)};
  };
  const auto act = [&host]() -> Result<void> {
    PGCERTD_TRY(const std::string text, root_text(host));
    return write_own(root_file(host), text);
  };
  return {root_file(host), look, act};
}

bool has_issuer_of_type(const Config& config, const std::string& type) {
  return std::ranges::any_of(config.issuers, [&](const auto& entry) {
    return type == (entry.second.type == IssuerType::local ? "local" : entry.second.type == IssuerType::offline ? "offline" : "self-signed");
  });
}

Step issuer_step(const Host& host) {
  const auto look = [&host]() -> Result<StepSeen> {
    const bool configured = !host.config.clusters.empty() || !names_no_issuer(host.config);
    if (configured && !has_issuer_of_type(host.config, host.command.issuer) && host.command.issuer != "local")
      return fail(Errc::exists, fmt::format("the configuration has an issuer already, which is not of type {}", host.command.issuer), "write [issuer.NAME] yourself, and for each cluster which issuer it has (man pgcertd.toml)");
    if (configured) return StepSeen{true, "the configuration says who issues"};
    PGCERTD_TRY(const auto issuer, new_issuer(host));
    if (!issuer) return StepSeen{true, "not needed: the issuing CA's key has no passphrase"};
    PGCERTD_TRY(const FileState state, state_of_file(issuer_file(host)));
    return state == FileState::ours ? StepSeen{true, "it is there"} : StepSeen{false, fmt::format("write it: issuer {}", issuer->name)};
  };
  const auto act = [&host]() -> Result<void> {
    PGCERTD_TRY(const auto issuer, new_issuer(host));
    return write_config(host.config_path, issuer_file(host), issuer_config_text(*issuer));
  };
  return {issuer_file(host), look, act};
}

// As the configuration names it; the credential of setup's own is made here.
Result<std::optional<Secret>> passphrase_for(const Host& host, const SecretSource& source, const Session& session) {
  if (!source) return std::optional<Secret>{};
  if (source.kind == SecretSource::Kind::credential && (source.name != issuing_credential || host.system_directory.empty()))
    return fail(Errc::invalid, fmt::format("the issuing CA's passphrase is credential \"{}\", which only the daemon's unit gets", source.name),
                "make the CA by hand: pgcertctl ca init --issuing-passphrase file:PATH");
  auto passphrase = source.kind == SecretSource::Kind::file ? cli::read_secret(source, {})
                                                            : issuing_passphrase(host.system_directory, [&](const std::string& words) { session.warn(words); });
  if (!passphrase) return fail(Error(passphrase.error()).within("the passphrase of the issuing CA's key"));
  return std::optional<Secret>(std::move(*passphrase));
}

Result<void> make_waiting_ca(const CaInit& init, std::optional<Secret> passphrase, const Session& session) {
  PGCERTD_TRY(ca::IssuingOptions options, issuing_options(init));
  options.passphrase = std::move(passphrase);
  PGCERTD_TRY(const ca::IssuingReport report, ca::begin_issuing_ca(options, session.now()));
  session.print(issuing_text(options, report, ca::IssuingDirectory{options.directory}.request(), session));
  return {};
}

Result<void> make_ca(const Host& host, const std::string& directory, const Session& session) {
  PGCERTD_TRY(const Config config, config_now(host));
  const IssuerConfig* issuer = local_issuer(config);
  PGCERTD_TRY(auto passphrase, passphrase_for(host, issuer != nullptr ? issuer->passphrase : SecretSource{}, session));
  CaInit init;
  init.issuing_dir = directory;
  init.root_cert = host.command.root_cert;
  if (!init.root_cert.empty()) return make_waiting_ca(init, std::move(passphrase), session);
  init.root_dir = host.command.root_dir;
  init.passphrase = host.command.passphrase;
  init.no_passphrase = host.command.no_passphrase;
  PGCERTD_TRY(ca::InitOptions options, ca_options(init));
  options.issuing_passphrase = std::move(passphrase);
  PGCERTD_TRY(const ca::InitReport report, ca::init_ca(options, session.now()));
  session.print(ca_text(options, report, session));
  return {};
}

std::string to_make(const Host& host) {
  const std::string root = host.command.root_cert.empty() ? "and its root in " + host.command.root_dir : "whose request waits for the root of " + host.command.root_cert;
  return fmt::format("make an issuing CA there, {}{}", root, host.system_directory.empty() ? "; its key has no passphrase: systemd does not run here" : "");
}

// The CA of the configuration that is already there; a new configuration has its own below the state directory.
Step ca_step(const Host& host, const Session& session) {
  const std::string directory = issuing_directory(host);
  const bool needed = host.config.issuers.empty() ? host.command.issuer == "local" : local_issuer(host.config) != nullptr;
  const auto look = [directory, needed, &host]() -> Result<StepSeen> {
    if (!needed) return StepSeen{true, "no local issuer is configured"};
    const auto waiting = ca::look_for_waiting(directory);
    if (waiting && *waiting) return StepSeen{true, "an issuing CA is there, and waits for its root: pgcertctl request export"};
    const auto seen = ca::look_at(directory);
    if (seen && seen->kind == ca::CaDirectorySeen::Kind::issuing) return StepSeen{true, "an issuing CA is there"};
    if (seen) return fail(Errc::invalid, fmt::format("\"{}\" holds a root CA, not an issuing one", directory), "name the issuing CA's directory in pgcertd.toml");
    if (seen.error().code == Errc::not_found) return StepSeen{false, to_make(host)};
    return fail(Error(seen.error()));
  };
  return {"CA " + directory, look, [directory, &host, &session] { return make_ca(host, directory, session); }};
}

}  // namespace

Result<std::string> credential_lines(const Host& host, const Config& config) {
  IssuerConfig issuer;
  if (names_no_issuer(config) && config.clusters.empty()) {
    PGCERTD_TRY(const auto planned, new_issuer(host));
    if (planned) issuer = *planned;
  } else if (const IssuerConfig* configured = local_issuer(config)) {
    issuer = *configured;
  }
  const bool named = issuer.passphrase == SecretSource{SecretSource::Kind::credential, issuing_credential};
  const bool made = named && ca::look_at(issuing_directory(host)).has_value();   // by somebody else: the credential is his, too
  if (!named || (made && !find_credential(host.system_directory))) return std::string();
  return credential_for(host.system_directory).unit_line();
}

std::vector<Step> issuer_steps(const Host& host, const Session& session) {
  std::vector<Step> out;
  if (is_offline(host)) out.push_back(root_step(host));
  out.push_back(issuer_step(host));
  out.push_back(ca_step(host, session));
  return out;
}

}  // namespace pgcertd::ctl
