#include "pgcertctl/arguments.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "ca/issuing_ca.hpp"
#include "cli/check.hpp"
#include "cli/exit_code.hpp"
#include "cli/secret_input.hpp"
#include "cli/suggest.hpp"
#include "core/finding.hpp"
#include "x509/sign.hpp"

namespace pgcertd::ctl {
namespace {

constexpr std::size_t help_column = 28;
constexpr std::size_t longest_common_name = 64;   // ub-common-name of RFC 5280

// CLI11 writes long lines; a terminal has 80 columns.
class NarrowFormatter : public CLI::Formatter {
 public:
  NarrowFormatter() { column_width(help_column); }
  std::string make_option_opts(const CLI::Option* option) const override {
    const bool takes_value = option->get_type_size() != 0 && !option->get_positional();
    const std::string type = option->get_type_name();  // "DURATION:validator": the validator's name says nothing more
    return (takes_value ? " " + type.substr(0, type.find(':')) : "") + (option->get_required() ? " (required)" : "");
  }
};

const CLI::Validator duration(
    [](std::string& text) {
      const auto parsed = parse_duration(text);
      return parsed ? std::string{} : parsed.error().what + "; " + parsed.error().remedy;
    },
    "DURATION", "duration");

// A variable of a shell that is not set.
const CLI::Validator not_empty([](std::string& text) { return text.empty() ? std::string("it is empty") : std::string{}; }, "TEXT", "not empty");

// For what would end before it began.
const CLI::Validator some_duration(
    [](std::string& text) {
      const auto parsed = parse_duration(text);
      return parsed && *parsed == Duration{0} ? "\"" + printable(text, 40) + "\" is no time at all; write it like 90d, 12h, 30m, 45s or 1d12h" : std::string{};
    },
    "DURATION", "longer than nothing");

// What was given is not repeated: it may be the passphrase itself.
const CLI::Validator secret_source(
    [](std::string& text) {
      const auto source = cli::parse_secret_source(text);
      return source ? std::string{} : source.error().what;
    },
    "SOURCE", "secret source");

const CLI::Validator common_name(
    [](std::string& text) { return text.size() <= longest_common_name ? std::string{} : fmt::format("it has {} bytes, and a certificate's common name {} at most", text.size(), longest_common_name); }, "NAME",
    "common name");

const CLI::Validator token_uri(
    [](std::string& text) { return text.starts_with("pkcs11:") ? std::string{} : "\"" + printable(text, 40) + "\" is no URI of a key in a token: it does not begin with pkcs11:"; }, "URI", "PKCS#11 URI");

const CLI::Validator hexadecimal(
    [](std::string& text) { return from_hex(text) ? std::string{} : "\"" + printable(text, 80) + "\" is no hash: it is not hexadecimal"; }, "HASH", "hexadecimal");

const CLI::Validator absolute_path([](std::string& text) { return text.starts_with('/') ? std::string{} : "\"" + printable(text, 200) + "\" is no absolute path: begin it with /"; }, "DIR", "absolute path");

const CLI::Validator key_type(
    [](std::string& text) {
      if (const auto type = parse_key_type(text); type && *type != KeyType::other && *type != KeyType::ed25519)
        return std::string{};
      return "\"" + printable(text, 40) + "\" is no key type that is made here: ecdsa-p256 ecdsa-p384 rsa-2048 rsa-3072 rsa-4096";
    },
    "TYPE", "key type");

const CLI::Validator problem_code(
    [](std::string& text) {
      if (parse_problem_code(text)) return std::string{};
      std::vector<std::string> known;
      for (const ProblemRow& row : problem_table()) known.emplace_back(row.name);
      const auto near = cli::nearest(text, known);
      return "\"" + printable(text, 40) + "\" is no problem code" + (near ? "; did you mean \"" + *near + "\"?" : "");
    },
    "CODE", "problem code");

const CLI::Validator certificate_name(
    [](std::string& text) {
      const auto names = x509::names_from({text});
      const auto good = names ? x509::check_names(*names) : Result<void>(fail(names.error()));
      return good ? std::string{} : good.error().what;
    },
    "NAME", "name of a certificate");

// The command's values live as long as the callback that hands them over.
template <class T>
std::shared_ptr<T> bind(CLI::App& app, Command& command) {
  auto values = std::make_shared<T>();
  app.callback([values, &command] { command = *values; });
  return values;
}

CLI::Option* add_duration(CLI::App& app, const std::string& name, std::optional<Duration>& into, const std::string& help) {
  return app
      .add_option_function<std::string>(
          name, [&into](const std::string& text) { into = parse_duration(text).value_or(Duration{}); }, help)
      ->check(duration)
      ->check(some_duration)
      ->type_name("DURATION");
}

CLI::Option* add_key_type(CLI::App& app, const std::string& name, KeyType& into, const std::string& help) {
  return app
      .add_option_function<std::string>(
          name, [&into](const std::string& text) { into = parse_key_type(text).value_or(into); }, help)
      ->check(key_type)
      ->type_name("TYPE");
}

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& into, const std::string& type, const std::string& help) {
  return app.add_option(name, into, help)->check(not_empty)->type_name(type);
}

CLI::Option* add_secret(CLI::App& app, const std::string& name, std::string& into, const std::string& help) { return add_text(app, name, into, "SOURCE", help)->check(secret_source); }

void add_cluster(CLI::App& app, std::string& into, bool required) {
  add_text(app, "CLUSTER", into, "", "name of the cluster, as the configuration has it")->required(required);
}

void add_globals(CLI::App& app, Globals& globals) {
  app.add_option_function<std::string>(
         "--config", [&globals](const std::string& path) { globals.config = path, globals.config_named = true; },
         "default /etc/pgcertd/pgcertd.toml")
      ->check(not_empty)
      ->type_name("FILE");
  add_text(app, "--socket", globals.socket, "PATH", "default control.sock in runtime_directory");
  app.add_flag("--json", globals.json, "print JSON, as the HTTP interface has it");
  app.add_option_function<std::string>(
         "--color",
         [&globals](const std::string& text) {
           globals.color = cli::parse_color_choice(text).value_or(cli::ColorChoice::automatic);
         },
         "auto, always or never; NO_COLOR is obeyed")
      ->check(CLI::IsMember({"auto", "always", "never"}))
      ->type_name("WHEN");
  app.add_flag("--yes", globals.yes, "do not ask");
  add_duration(app, "--timeout", globals.timeout, "how long to wait for the daemon or a server");
}

void add_watching(CLI::App& app, Command& command) {
  CLI::App& status = *app.add_subcommand("status", "overview, problems, what happens next and when");
  add_cluster(status, bind<Status>(status, command)->cluster, false);

  CLI::App& check = *app.add_subcommand("check", "monitoring plugin: one line, exit code 0 to 3");
  const auto values = bind<Check>(check, command);
  add_cluster(check, values->cluster, false);
  add_duration(check, "-w,--warning", values->warning, "WARNING with less time left than this");
  add_duration(check, "-c,--critical", values->critical, "CRITICAL with less time left than this");
  check.add_option("--only", values->only, "judge these problem codes only")
      ->delimiter(',')
      ->check(problem_code)
      ->type_name("CODE");
  check.add_flag("--direct", values->direct, "look by itself, with or without a daemon");

  CLI::App& events = *app.add_subcommand("events", "what has happened, oldest first");
  const auto history = bind<Events>(events, command);
  CLI::Option* follow = events.add_flag("--follow", history->follow, "go on with what happens from now on");
  CLI::Option* verify = events.add_flag("--verify", history->verify, "verify the chain of hashes over them")->excludes(follow);
  add_text(events, "--head", history->head, "HASH", "from the journal: is it part of the chain?")->check(hexadecimal)->needs(verify);
  bind<Runway>(*app.add_subcommand("runway", "how long each cluster lasts without the root's key"), command);
}

void add_acting(CLI::App& app, Command& command) {
  CLI::App& rotate = *app.add_subcommand("rotate", "make, install and prove a certificate that is due");
  const auto values = bind<Rotate>(rotate, command);
  add_cluster(rotate, values->cluster, true);
  rotate.add_flag("--dry-run", values->dry_run, "print the plan and why, change nothing");
  rotate.add_flag("--wait", values->wait, "print the stages, end when it is proved or failed");
  rotate.add_flag("--force", values->force, "also when none is due; no preflight is skipped");

  CLI::App& rollback = *app.add_subcommand("rollback", "go back to the pair proved before, and pause");
  const auto back = bind<Rollback>(rollback, command);
  add_cluster(rollback, back->cluster, true);
  rollback.add_flag("--wait", back->wait, "print the stages, end when it is proved or failed");

  CLI::App& pause = *app.add_subcommand("pause", "no rotation for a while; CRLs and repairs go on");
  const auto pausing = bind<Pause>(pause, command);
  add_cluster(pause, pausing->cluster, true);
  add_text(pause, "--for", pausing->duration, "DURATION", "how long, as 2h or 1d12h")
      ->check(duration)
      ->check(some_duration)
      ->required()
      ->type_name("DURATION");
  add_text(pause, "--reason", pausing->reason, "TEXT", "why; stands in status and events")->required();

  CLI::App& resume = *app.add_subcommand("resume", "end a pause");
  add_cluster(resume, bind<Resume>(resume, command)->cluster, true);
  CLI::App& takeover = *app.add_subcommand("takeover", "replace a certificate that somebody else installed");
  add_cluster(takeover, bind<Takeover>(takeover, command)->cluster, true);
}

void add_revoking(CLI::App& app, Command& command) {
  CLI::App& revoke = *app.add_subcommand("revoke", "revoke a certificate, and sign the CRL anew");
  const auto values = bind<Revoke>(revoke, command);
  const auto reasons = ca::revocation_reasons();
  CLI::Option* target = add_text(revoke, "SERIAL", values->target, "", "hexadecimal serial, or a file that holds it");
  CLI::Option* role = add_text(revoke, "--role", values->role, "ROLE", "all client certificates of this role")->excludes(target);
  revoke.callback([&command, values, target, role] {
    if (target->count() + role->count() == 0) throw CLI::RequiredError("SERIAL, FILE or --role");
    command = *values;
  });
  add_text(revoke, "--reason", values->reason, "REASON", "keyCompromise, superseded, ... of RFC 5280")
      ->required()
      ->check(CLI::IsMember(std::vector<std::string>(reasons.begin(), reasons.end())))
      ->type_name("REASON");
  revoke.add_flag("--terminate", values->terminate, "also end the sessions that were opened with it");
  add_text(revoke, "--issuer", values->issuer, "NAME", "who issued it, where there are several");
}

void add_clients(CLI::App& app, Command& command) {
  CLI::App& client = *app.add_subcommand("client", "certificates for clients");
  client.require_subcommand(1);
  CLI::App& issue = *client.add_subcommand("issue", "a key and a certificate for a role");
  const auto values = bind<ClientIssue>(issue, command);
  add_text(issue, "ROLE", values->role, "", "the role; it becomes the common name")->check(common_name)->required();
  add_text(issue, "-o,--output", values->directory, "DIR", "where the files are put")->required();
  add_text(issue, "--format", values->format, "FORMAT", "libpq (default), pkcs12 or jdbc")->check(CLI::IsMember({"libpq", "pkcs12", "jdbc"}))->type_name("FORMAT");
  add_secret(issue, "--passphrase", values->passphrase, "of a pkcs12 file: file:PATH or credential:NAME");
  add_text(issue, "--lifetime", values->lifetime, "DURATION", "default 90d")->check(duration)->check(some_duration)->type_name("DURATION");
  CLI::Option* type = add_key_type(issue, "--key-type", values->key_type, "of the client's key, default ecdsa-p256");
  issue.add_flag("--renew", values->renew, "replace the files of a former one in DIR")->excludes(type);
  issue.add_flag("--with-crl", values->with_crl, "also root.crl, which must be renewed in time");
  add_text(issue, "--issuer", values->issuer, "NAME", "who issues it, where there are several");
  issue.callback([values, &command] {
    if (values->format == "pkcs12" && values->passphrase.empty()) throw CLI::RequiredError("--passphrase, of the PKCS#12 file,");
    if (values->format != "pkcs12" && !values->passphrase.empty()) throw CLI::ValidationError("--passphrase", "only a PKCS#12 file has one: --format pkcs12");
    command = *values;
  });
  bind<ClientList>(*client.add_subcommand("list", "those in date, with serial and end"), command);

  CLI::App& trust = *app.add_subcommand("trust", "what clients need to trust");
  trust.require_subcommand(1);
  CLI::App& exported = *trust.add_subcommand("export", "the root certificates, and their fingerprints");
  add_text(exported, "-o,--output", bind<TrustExport>(exported, command)->output, "FILE", "default standard output");
}

void add_crls(CLI::App& app, Command& command) {
  CLI::App& crl = *app.add_subcommand("crl", "certificate revocation lists");
  crl.require_subcommand(1);
  bind<CrlShow>(*crl.add_subcommand("show", "what is published and what is installed"), command);
  CLI::App& refresh = *crl.add_subcommand("refresh", "sign and install a new one now");
  add_text(refresh, "--issuer", bind<CrlRefresh>(refresh, command)->issuer, "NAME", "whose, where there are several");
  CLI::App& import = *crl.add_subcommand("import", "a CRL that was signed elsewhere, as the root's");
  const auto values = bind<CrlImport>(import, command);
  add_text(import, "FILE", values->file, "", "PEM or DER; - for standard input")->required();
  add_text(import, "--issuer", values->issuer, "NAME", "whose it is, where there are several");
}

void add_judging(CLI::App& app, Command& command) {
  CLI::App& audit = *app.add_subcommand("audit", "weak or misleading settings, pg_hba rows, sessions");
  add_cluster(audit, bind<Audit>(audit, command)->cluster, false);

  CLI::App& permissions = *app.add_subcommand("permissions", "owner and mode of TLS files by PostgreSQL's rules");
  permissions.require_subcommand(1);
  CLI::App& check = *permissions.add_subcommand("check", "expected and actual, side by side");
  add_cluster(check, bind<Permissions>(check, command)->cluster, false);
  CLI::App& fix = *permissions.add_subcommand("fix", "repair what pgcertd installed, tell the rest");
  const auto values = bind<Permissions>(fix, command);
  values->fix = true;   // what the word says
  add_cluster(fix, values->cluster, false);
}

void add_looking(CLI::App& app, Command& command) {
  CLI::App& inspect = *app.add_subcommand("inspect", "what a file is and what PostgreSQL would say of it");
  const auto inspected = bind<Inspect>(inspect, command);
  inspect.add_option("FILE", inspected->targets, "files, directories, or - for standard input")->required()->check(not_empty)->type_name("");
  add_secret(inspect, "--passphrase", inspected->passphrase, "opens PKCS#12 and keys: file:PATH or credential:NAME");

  CLI::App& probe = *app.add_subcommand("probe", "what a server serves, and who would connect to it");
  const auto values = bind<Probe>(probe, command);
  add_text(probe, "HOST", values->target, "", "HOST, HOST:PORT or [ADDRESS]:PORT; port 5432")->required();
  add_text(probe, "--root", values->root, "FILE", "trust anchors, default ~/.postgresql/root.crt");
  add_text(probe, "--name", values->name, "NAME", "the host name to verify, default HOST");
  CLI::Option* user = add_text(probe, "--user", values->user, "ROLE", "also ask whether the server lets ROLE in");
  add_text(probe, "--database", values->database, "NAME", "the database to ask for, default ROLE")->needs(user);
  CLI::Option* certificate = add_text(probe, "--cert", values->certificate, "FILE", "the client's certificate (sslcert)")->needs(user);
  CLI::Option* key = add_text(probe, "--key", values->key, "FILE", "its key (sslkey)")->needs(certificate);
  certificate->needs(key);
}

void add_root_use(CLI::App& app, RootUse& root) {
  add_text(app, "--root-dir", root.root_dir, "DIR", "the root's directory, on the medium that was brought")->required();
  add_secret(app, "--passphrase", root.passphrase, "file:PATH or credential:NAME; else it is asked for");
}

CLI::Option* add_days(CLI::App& app, const std::string& name, long& into, const std::string& help) { return app.add_option(name, into, help)->check(CLI::Range(1L, 36500L))->type_name("N"); }

void add_policy(CLI::App& app, std::string& policy) { add_text(app, "--policy", policy, "FILE", "default policy.toml in the root's directory"); }

void add_root_uses(CLI::App& ca, Command& command) {
  CLI::App& sign = *ca.add_subcommand("sign", "sign requests with the root's key");
  const auto signing = bind<CaSign>(sign, command);
  add_root_use(sign, signing->root);
  sign.add_option("REQUEST", signing->requests, "files with a PKCS#10 request each, PEM or DER")->required()->check(not_empty)->type_name("");
  add_text(sign, "-o,--output", signing->output, "FILE", "certificates, root and its CRL")->required();
  add_text(sign, "--profile", signing->profile, "PROFILE", "server (default), client or issuing")->check(CLI::IsMember({"server", "client", "issuing"}))->type_name("PROFILE");
  sign.add_option("--names", signing->names, "instead of the request's, comma-separated")->delimiter(',')->check(certificate_name)->type_name("NAMES");
  add_text(sign, "--role", signing->role, "ROLE", "a client's, instead of the request's common name")->check(common_name);
  add_days(sign, "--days", signing->days, "life; default as asked for, or by policy");
  add_policy(sign, signing->policy);
  sign.callback([signing, &command] {
    if (!signing->role.empty() && signing->profile != "client") throw CLI::ValidationError("--role", "only a client has one: --profile client");
    if (!signing->names.empty() && signing->profile != "server") throw CLI::ValidationError("--names", "only a server has them: --profile server");
    command = *signing;
  });
  CLI::App& crl = *ca.add_subcommand("crl", "sign the root's next CRL");
  const auto listing = bind<CaCrl>(crl, command);
  add_root_use(crl, listing->root);
  add_text(crl, "-o,--output", listing->output, "FILE", "a copy to carry away");
  add_days(crl, "--days", listing->days, "its life, default 396");
  CLI::App& visit = *ca.add_subcommand("session", "one visit: sign what waits, and the next CRL");
  const auto visiting = bind<CaSession>(visit, command);
  add_root_use(visit, visiting->root);
  visit.add_option("REQUEST", visiting->requests, "what was carried here: files, or a directory")->check(not_empty)->type_name("");
  add_text(visit, "-o,--output", visiting->output, "FILE", "what is carried back, default back.pem");
  add_text(visit, "--record", visiting->record, "FILE", "what was done, to be printed and filed");
  add_days(visit, "--days", visiting->days, "life of a server's, default as asked for");
  add_days(visit, "--issuing-days", visiting->issuing_days, "life of an issuing CA, default by policy");
  add_policy(visit, visiting->policy);
  add_days(visit, "--crl-days", visiting->crl_days, "life of the root's CRL, default 396");
  visit.callback([visiting, &command] {
    if (visiting->record == visiting->output) throw CLI::ValidationError("--record", "it names the file that is carried back");
    command = *visiting;
  });
  CLI::App& passwd = *ca.add_subcommand("passwd", "change the passphrase of the root's key");
  const auto changing = bind<CaPasswd>(passwd, command);
  add_root_use(passwd, changing->root);
  CLI::Option* none = passwd.add_flag("--no-passphrase", changing->no_passphrase, "leave the root's key unencrypted");
  add_secret(passwd, "--new-passphrase", changing->new_passphrase, "file:PATH or credential:NAME")->excludes(none);
  CLI::App& verify = *ca.add_subcommand("verify-log", "what the root's key was used for, verified");
  add_text(verify, "--root-dir", bind<CaVerifyLog>(verify, command)->root_dir, "DIR", "the root's directory")->required();
}

void add_ca(CLI::App& app, Command& command) {
  CLI::App& ca = *app.add_subcommand("ca", "root and issuing CA");
  ca.require_subcommand(1);
  CLI::App& init = *ca.add_subcommand("init", "make a root CA and, with --issuing-dir, an issuing CA");
  const auto values = bind<CaInit>(init, command);
  CLI::Option* root = add_text(init, "--root-dir", values->root_dir, "DIR", "the root's new directory");
  CLI::Option* issuing = add_text(init, "--issuing-dir", values->issuing_dir, "DIR", "what issuer.NAME.directory names");
  CLI::Option* none = init.add_flag("--no-passphrase", values->no_passphrase, "leave the root's key unencrypted");
  add_secret(init, "--passphrase", values->passphrase, "the root's: file:PATH or credential:NAME")->excludes(none);
  add_secret(init, "--issuing-passphrase", values->issuing_passphrase, "the issuing CA's; none: unencrypted")
      ->needs(issuing);
  add_text(init, "--root-key", values->root_key, "URI", "pkcs11: of a key in a token; --passphrase is its PIN")->check(token_uri)->excludes(none);
  add_text(init, "--issuing-key", values->issuing_key, "URI", "the same for the issuing CA's key")->check(token_uri)->needs(issuing);
  CLI::Option* elsewhere = add_text(init, "--root-cert", values->root_cert, "FILE", "of a root elsewhere, which signs the issuing CA")->excludes(root)->needs(issuing);
  add_text(init, "-o,--output", values->output, "FILE", "the request to that root; default issuing.csr")->needs(elsewhere);
  add_text(init, "--common-name", values->common_name, "NAME", "the root's common name")->check(common_name);
  add_text(init, "--issuing-common-name", values->issuing_common_name, "NAME", "the issuing CA's common name")->check(common_name);
  add_key_type(init, "--key-type", values->key_type, "of the root, default ecdsa-p384");
  add_key_type(init, "--issuing-key-type", values->issuing_key_type, "of the issuing CA, default ecdsa-p256");
  init.add_option("--days", values->days, "life of the root, default 5475")->check(CLI::Range(1L, 36500L))->type_name("N");
  init.add_option("--issuing-days", values->issuing_days, "life of the issuing CA, default 730")
      ->check(CLI::Range(1L, 36500L))
      ->type_name("N");

  CLI::App& show = *ca.add_subcommand("show", "what lies in a CA's directory");
  add_text(show, "DIR", bind<CaShow>(show, command)->directory, "", "a root's or issuing CA's; default those configured");
  add_root_uses(ca, command);
}

void add_requests(CLI::App& app, Command& command) {
  CLI::App& request = *app.add_subcommand("request", "what waits for the root's key");
  request.require_subcommand(1);
  bind<RequestList>(*request.add_subcommand("list", "what waits, and when the root is needed"), command);
  CLI::App& show = *request.add_subcommand("show", "what waits, with fingerprints to read aloud");
  add_text(show, "--issuer", bind<RequestShow>(show, command)->issuer, "NAME", "this one's only, default all");
  CLI::App& exported = *request.add_subcommand("export", "write what waits to files, for the root");
  const auto exporting = bind<RequestExport>(exported, command);
  add_text(exported, "-o,--output", exporting->output, "PATH", "a directory, or the one request's file");
  add_text(exported, "--issuer", exporting->issuer, "NAME", "this one's only, default all");
  CLI::App& import = *request.add_subcommand("import", "what came back: certificates and CRLs");
  const auto importing = bind<RequestImport>(import, command);
  add_text(import, "FILE", importing->file, "", "PEM or PKCS#7; - for standard input")->required();
  add_text(import, "--issuer", importing->issuer, "NAME", "whose, where there are several");
}

// "setup" is a command and has one: its own callback comes last, and must leave what that one chose.
void add_setup(CLI::App& setup, Command& command) {
  auto values = std::make_shared<Setup>();
  setup.callback([values, &command, &setup] {
    if (setup.get_subcommands().empty()) command = *values;
  });
  setup.require_subcommand(0, 1);
  setup.add_flag("--dry-run", values->dry_run, "print the steps, change nothing");
  setup.add_flag("--undo", values->undo, "give PostgreSQL back what it had before");
  setup.add_option("--data-directory", values->data_directories, "this cluster, not those found; repeatable")
      ->check(absolute_path)
      ->type_name("DIR")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  add_text(setup, "--superuser", values->superuser, "ROLE", "default the name of the cluster's owner");
  add_text(setup, "--user", values->user, "USER", "whom the daemon runs as, default pgcertd");
  add_text(setup, "--state-directory", values->state_directory, "DIR", "for a new pgcertd.toml");
  add_text(setup, "--system-directory", values->system_directory, "DIR", "where systemd and polkit read, default /etc");
  add_text(setup, "--issuer", values->issuer, "TYPE", "local (default), offline or self-signed")->check(CLI::IsMember({"local", "offline", "self-signed"}))->type_name("TYPE");
  CLI::Option* elsewhere = add_text(setup, "--root-cert", values->root_cert, "FILE", "of a root that is elsewhere; none is made here");
  add_text(setup, "--root-dir", values->root_dir, "DIR", "the root CA's, default /root/pgcertd-root")->excludes(elsewhere);
  CLI::Option* none = setup.add_flag("--no-passphrase", values->no_passphrase, "leave the root's key unencrypted")->excludes(elsewhere);
  add_secret(setup, "--passphrase", values->passphrase, "the root's: file:PATH or credential:NAME")->excludes(none)->excludes(elsewhere);
}

void add_setting_up(CLI::App& app, Command& command) {
  CLI::App& setup = *app.add_subcommand("setup", "find clusters, prepare them and this host");
  add_setup(setup, command);
  CLI::App& sql = *setup.add_subcommand("sql", "print the SQL that makes the least-privilege role");
  const auto values = bind<SetupSql>(sql, command);
  add_text(sql, "--role", values->role, "NAME", "default pgcertd");
  sql.add_option("--postgresql", values->postgresql, "major version of the server, default 15")
      ->check(CLI::Range(10, 99))
      ->type_name("N");
  bind<DoctorCommand>(*app.add_subcommand("doctor", "every check there is, and what to do"), command);
  CLI::App& explained = *app.add_subcommand("explain", "what a problem means, and its remedy");
  explained.add_option("CODE", bind<Explain>(explained, command)->code, "problem code, as in status")->required()->type_name("")->check(problem_code);
  CLI::App& config = *app.add_subcommand("config", "the configuration");
  config.require_subcommand(1);
  bind<ConfigCheck>(*config.add_subcommand("check", "validate it and print what is wrong, with file and line"), command);
  bind<ConfigShow>(*config.add_subcommand("show", "print it whole: drop-ins merged, defaults filled in"), command);
  bind<Version>(*app.add_subcommand("version", "version of this program and of the daemon"), command);
}

void set_footers(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
    command->footer("Global options: pgcertctl --help");
    set_footers(*command);
  }
}

const CLI::App& deepest(const CLI::App& app) {
  const std::vector<CLI::App*> parsed = app.get_subcommands();
  return parsed.empty() ? app : deepest(*parsed.back());
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

std::string complain(std::string_view what, const std::string& word, const std::optional<std::string>& near) {
  return fmt::format("\"{}\" is no {}{}", printable(word, 80), what, near ? fmt::format("; did you mean \"{}\"?", *near) : "");
}

std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& here = deepest(app);
  const bool wants_command = here.get_require_subcommand_min() > 0;
  const std::vector<std::string> rest = app.remaining(true);
  for (const std::string& word : rest) {
    if (word.starts_with("-")) {
      std::vector<std::string> known = option_names(here);
      for (std::string& name : option_names(app)) known.push_back(std::move(name));
      return complain("option of " + here.get_name(), word, cli::nearest(word, known));
    }
    if (wants_command)
      return complain(&here == &app ? "command" : "command of " + here.get_name(), word, cli::nearest(word, command_names(here)));
    return fmt::format("\"{}\" is one argument too many", printable(word, 80));
  }
  return printable(error.what(), 1000);
}

Ending usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const std::string words = explain(app, error);
  const CLI::App& here = deepest(app);
  std::string path = &here == &app ? "" : here.get_name() + " ";
  if (const CLI::App* parent = here.get_parent(); parent != nullptr && parent != &app) path = parent->get_name() + " " + path;
  const std::string err = fmt::format("pgcertctl: {}\n  see: pgcertctl {}--help\n", words, path);
  // A monitoring system reads the line and the code, and nothing else.
  if (here.get_name() == "check" && here.get_parent() == &app) {
    const cli::CheckResult unknown = cli::check_unknown(words);
    return {unknown.exit_code, cli::check_text(unknown, app.count("--json") > 0), err};
  }
  return {static_cast<int>(cli::ExitCode::usage), {}, err};
}

}  // namespace

std::variant<Invocation, Ending> parse_arguments(int argc, const char* const* argv) {
  CLI::App app("Operator's tool of pgcertd, which owns the life of PostgreSQL's TLS files", "pgcertctl");
  Invocation invocation;
  app.formatter(std::make_shared<NarrowFormatter>());
  app.fallthrough();
  app.require_subcommand(1);
  app.set_version_flag("--version", "pgcertctl " PGCERTD_VERSION, "print the version and exit");
  app.set_help_flag("-h,--help", "print this and exit");
  add_globals(app, invocation.globals);
  add_watching(app, invocation.command);
  add_acting(app, invocation.command);
  add_revoking(app, invocation.command);
  add_clients(app, invocation.command);
  add_crls(app, invocation.command);
  add_judging(app, invocation.command);
  add_looking(app, invocation.command);
  add_ca(app, invocation.command);
  add_requests(app, invocation.command);
  add_setting_up(app, invocation.command);
  set_footers(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return Ending{0, app.help(), {}};
  } catch (const CLI::CallForVersion& version) {
    return Ending{0, std::string(version.what()) + "\n", {}};
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  return invocation;
}

}  // namespace pgcertd::ctl
