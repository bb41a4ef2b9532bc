// ca sign, ca crl, ca session, ca passwd, ca verify-log: what is done where the root's key is. Works without a daemon or a network.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "ca/root_ca.hpp"
#include "cli/layout.hpp"
#include "cli/moments.hpp"
#include "cli/terminal.hpp"
#include "config/policy.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/named_secret.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/bundle.hpp"
#include "x509/sign.hpp"
#include "x509/signed_request.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<std::optional<Secret>> passphrase_of(const RootUse& use) {
  if (!use.passphrase.empty()) {
    PGCERTD_TRY(Secret named, named_secret(use.passphrase));
    return std::optional(std::move(named));
  }
  const auto seen = ca::look_at_root_key(use.root_dir);
  if (!seen || !(seen->encrypted || seen->in_token)) return std::optional<Secret>();   // what is wrong with the directory is told by who opens it
  auto typed = cli::ask_passphrase(seen->in_token ? "PIN of the token with the root's key: " : "Passphrase of the root's key: ");
  if (!typed && typed.error().code == Errc::refused)
    return fail(Errc::refused, "the passphrase of the root's key cannot be asked for: there is no terminal", "--passphrase file:PATH or credential:NAME");
  if (!typed) return fail(std::move(typed).error());
  return std::optional(std::move(*typed));
}

// `outputs`: where what is signed goes; an empty one is not wanted. The key is not touched for what could not be carried away.
Result<ca::RootCa> open_root(const RootUse& use, const std::vector<std::string>& outputs, const Session& session) {
  for (const std::string& path : outputs)
    if (!path.empty()) PGCERTD_CHECK(within(ca::check_replaceable(path), "nothing was signed"));
  PGCERTD_TRY(const auto passphrase, passphrase_of(use));
  return ca::RootCa::open(use.root_dir, passphrase ? &*passphrase : nullptr, session.now());
}

// One request with what is to become of it.
struct Waiting {
  std::string file, pem;
  x509::RequestFacts facts;
  std::optional<x509::RequestProof> proof;
  SigningAsked asked;
  Ruling ruling;
  ca::SigningWish wish;
};

// What the command line says beside the requests.
struct Wishes {
  std::optional<SigningProfile> profile;     // nullopt: as each request says
  std::string role;                          // of a client; empty: as the request says
  std::vector<std::string> names;
  long days = 0, issuing_days = 0;           // 0: as asked for, or by policy
};

Result<SigningPolicy> policy_of(const RootUse& root, const std::string& named) {
  const std::string path = named.empty() ? ca::RootDirectory{root.root_dir}.policy() : named;
  const auto bytes = read_input(path);
  if (!bytes && named.empty() && bytes.error().code == Errc::not_found) return SigningPolicy{};   // a root of an earlier version
  if (!bytes) return fail(bytes.error());
  return parse_policy(*bytes, printable(path, 4096));
}

// A directory stands for the requests in it, in name order.
Result<std::vector<std::string>> files_of(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const std::string& path : given) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      out.push_back(path);
      continue;
    }
    const std::size_t before = out.size();
    for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error))
      if (at->path().extension() == ".csr") out.push_back(at->path().string());
    if (error) return fail(Errc::io, fmt::format("\"{}\" cannot be listed: {}", printable(path, 4096), error.message()));
    if (out.size() == before) return fail(Errc::not_found, fmt::format("no request (*.csr) lies in \"{}\"", printable(path, 4096)), "pgcertctl request export writes them on their host");
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(before), out.end());
  }
  return out;
}

// "Lifetime: 90d" before the PEM: a wish, which the policy bounds and a person sees.
Duration lifetime_asked(std::string_view text) {
  constexpr std::string_view key = "\nLifetime: ";
  const std::string_view head = text.substr(0, text.find("-----BEGIN"));
  const auto at = head.find(key);
  if (at == std::string_view::npos) return {};
  const std::string_view line = head.substr(at + key.size());
  return parse_duration(std::string(line.substr(0, line.find('\n')))).value_or(Duration::zero());
}

Result<Waiting> read_request(const std::string& file, ca::RootCa& root, const SigningPolicy& policy, const Wishes& wishes, TimePoint now) {
  Waiting out;
  out.file = file;
  PGCERTD_TRY(out.pem, read_input(file));
  PGCERTD_TRY(out.facts, x509::parse_request(out.pem, printable(file, 4096)));
  PGCERTD_TRY(out.proof, x509::verify_request_proof(out.pem, printable(file, 4096), {root.certificate()}, now));
  PGCERTD_TRY(const bool signed_before, root.has_signed(out.facts.spki_sha256));
  out.wish.profile = wishes.profile.value_or(out.facts.asks_for_ca ? SigningProfile::issuing : SigningProfile::server);
  out.wish.common_name = wishes.role.empty() ? out.facts.common_name : wishes.role;
  out.wish.names = out.facts.names;
  if (!wishes.names.empty()) {
    PGCERTD_TRY(out.wish.names, x509::names_from(wishes.names));
  }
  const long days = out.wish.profile == SigningProfile::issuing ? wishes.issuing_days : wishes.days;
  out.asked = {out.wish.profile, out.wish.common_name, out.wish.names, days != 0 ? Duration{std::chrono::days{days}} : lifetime_asked(out.pem), out.facts.key_type, out.facts.key_name,
               signed_before || out.proof.has_value()};
  out.ruling = rule(policy, out.asked);
  out.wish.lifetime = out.ruling.lifetime;
  if (!out.ruling.refused.empty()) return fail(Errc::refused, fmt::format("\"{}\" is not signed: {}", printable(file, 4096), out.ruling.refused), "change policy.toml in the root's directory if it is meant");
  return out;
}

Result<std::vector<Waiting>> read_requests(const std::vector<std::string>& given, ca::RootCa& root, const SigningPolicy& policy, const Wishes& wishes, TimePoint now) {
  PGCERTD_TRY(const auto files, files_of(given));
  std::vector<Waiting> out;
  for (const std::string& file : files) {
    PGCERTD_TRY(Waiting one, read_request(file, root, policy, wishes, now));
    out.push_back(std::move(one));
  }
  return out;
}

std::string vouched_text(const Waiting& one) {
  if (one.proof) return fmt::format("by the certificate in use: {}, serial {}", printable(one.proof->signer.subject, 200), one.proof->signer.serial);
  return one.asked.known_key ? "this root signed the same key before" : "by nobody: compare the SHA-256 with its host";
}

// What a person compares with the note that came along before agreeing.
std::string waiting_text(const Waiting& one, const Session& session) {
  cli::Table table({}, 2);
  add_row(table, "becomes", std::string(described(one.wish.profile)), one.wish.profile == SigningProfile::issuing ? cli::Tone::warning : cli::Tone::plain);
  add_row(table, "subject", one.facts.subject);
  if (one.wish.profile == SigningProfile::client) add_row(table, "role", printable(one.wish.common_name, 200));
  const bool server = one.wish.profile == SigningProfile::server;
  if (server) add_row(table, "names", printable(names_text(one.wish.names), 2000));
  if (server && one.wish.names != one.facts.names) add_row(table, "asked for", printable(names_text(one.facts.names), 2000), cli::Tone::warning);
  add_row(table, "key", one.facts.key_name);
  add_row(table, "life", to_text(one.wish.lifetime));
  for (const std::string& change : one.ruling.changes) add_row(table, "by policy", change, cli::Tone::warning);
  add_row(table, "vouched for", vouched_text(one), one.asked.known_key ? cli::Tone::plain : cli::Tone::warning);
  add_row(table, "key's SHA-256", aloud(one.facts.spki_sha256));
  return session.style().paint(cli::Tone::strong, printable(one.file, 4096)) + "\n" + table.render(session.style());
}

// --yes is a script's word, and goes as far as the policy lets it.
Result<void> check_script(const std::vector<Waiting>& requests) {
  for (const Waiting& one : requests)
    if (one.ruling.needs_a_person)
      return fail(Errc::refused, fmt::format("\"{}\" is for a key that this root never signed ({}): --yes is not enough", printable(one.file, 4096), described(one.wish.profile)),
                  "agree to it at a terminal, without --yes; or set new_keys = \"allow\" in the policy");
  return {};
}

// Nothing is signed unseen: on a terminal each visit is agreed to, a script says --yes.
Result<void> agree(const std::vector<Waiting>& requests, const Session& session) {
  if (requests.empty()) return {};
  if (session.globals().yes) return check_script(requests);
  std::string text;
  for (const Waiting& one : requests) text += waiting_text(one, session);
  session.warn("these are to be signed:\n" + text);
  if (!cli::is_terminal(0)) return fail(Errc::refused, "nothing was signed: there is no terminal to ask on", "look at the requests (pgcertctl inspect FILE), then say --yes");
  PGCERTD_TRY(const bool yes, cli::ask_yes_no("Sign them with the root's key?"));
  return yes ? Result<void>{} : fail(Errc::refused, "not agreed, nothing was signed");
}

// By the policy, and as it was agreed to.
Result<std::vector<x509::Certificate>> sign_what_waits(ca::RootCa& root, const RootUse& use, const std::string& named_policy, const std::vector<std::string>& given, const Wishes& wishes,
                                                       const Session& session) {
  PGCERTD_TRY(const SigningPolicy policy, policy_of(use, named_policy));
  PGCERTD_TRY(const auto requests, read_requests(given, root, policy, wishes, session.now()));
  PGCERTD_CHECK(agree(requests, session));
  std::vector<ca::SigningOrder> orders;
  for (const Waiting& one : requests) orders.push_back({one.file, one.pem, one.wish});
  return root.sign_all(orders, session.now());
}

// What is signed stands in the registry and in the log by now.
Result<void> write_out(const std::string& path, const std::string& text) { return within(ca::replace_file(path, text, 0644), "signed and recorded, but not written"); }

// What is carried back: certificates, the root, its CRL. Whole or not there at all; the number of objects shows a file that was cut
// between two of them on its way.
Result<void> write_bundle(const std::string& path, const std::vector<x509::Certificate>& made, const x509::Certificate& root, const std::optional<x509::Crl>& crl) {
  std::string pem = x509::to_pem(made) + root.pem();
  if (crl) pem += crl->pem();
  return write_out(path, x509::bundle_head(made.size() + 1 + (crl ? 1 : 0)) + pem);
}

Json made_json(const std::vector<x509::Certificate>& made) {
  Json list = Json::array();
  for (const x509::Certificate& one : made) list.push_back(to_json(one.facts()));
  return list;
}

std::string made_text(const x509::Certificate& made) {
  const CertFacts& facts = made.facts();
  return fmt::format("{}{}: serial {}, until {}\n", facts.is_ca ? "issuing CA " : "", printable(facts.subject, 200), facts.serial, to_rfc3339(facts.not_after));
}

std::string crl_text(const x509::Crl& crl) {
  return fmt::format("the root's CRL {}: {} revoked, until {}\n", crl.facts().number, crl.facts().revoked, crl.facts().next_update ? to_rfc3339(*crl.facts().next_update) : "never");
}

struct Visit {
  std::vector<x509::Certificate> made;
  x509::Crl crl;
};

Result<Visit> visit(ca::RootCa& root, const CaSession& command, const Session& session) {
  PGCERTD_CHECK(root.crl());   // one that cannot be followed is told of before anything is signed
  PGCERTD_TRY(auto made, sign_what_waits(root, command.root, command.policy, command.requests, {std::nullopt, {}, {}, command.days, command.issuing_days}, session));
  PGCERTD_TRY(auto crl, root.renew_crl(std::chrono::days{command.crl_days}, session.now()));
  PGCERTD_CHECK(write_bundle(command.output, made, root.certificate(), crl));
  return Visit{std::move(made), std::move(crl)};
}

std::string record_text(const ca::RootCa& root, const Visit& visit, const Session& session) {
  std::string out = fmt::format("Visit of the root {} on {}\nSHA-256 of the root: {}\n\n", printable(root.certificate().facts().subject, 200), to_rfc3339(session.now()),
                                aloud(root.certificate().facts().fingerprint_sha256));
  for (const x509::Certificate& one : visit.made) out += made_text(one) + fmt::format("  key {}\n", aloud(one.facts().spki_sha256));
  out += crl_text(visit.crl);
  return out + fmt::format("\nThe log has {} lines and ends with\n  {}\n", root.log().entries().size(), aloud(root.log().head()));
}

SigningProfile profile_named(const std::string& name) {
  if (name == to_string(SigningProfile::issuing)) return SigningProfile::issuing;
  return name == to_string(SigningProfile::client) ? SigningProfile::client : SigningProfile::server;
}

}  // namespace

int run(const CaSign& command, const Session& session) {
  auto root = open_root(command.root, {command.output}, session);
  if (!root) return session.report(root.error());
  const auto crl = root->crl();
  if (!crl) return session.report(crl.error());
  const auto made = sign_what_waits(*root, command.root, command.policy, command.requests, {profile_named(command.profile), command.role, command.names, command.days, command.days}, session);
  if (!made) return session.report(made.error());
  if (const auto written = write_bundle(command.output, *made, root->certificate(), *crl); !written) return session.report(written.error());
  if (session.json()) session.print_json(Json{{"signed", made_json(*made)}, {"output", printable(command.output, 4096)}, {"log_head", root->log().head()}});
  else
    for (const x509::Certificate& one : *made) session.print(cli::with_relative_times(made_text(one), session.now()));
  return code(cli::ExitCode::done);
}

int run(const CaCrl& command, const Session& session) {
  auto root = open_root(command.root, {command.output}, session);
  if (!root) return session.report(root.error());
  const auto crl = root->renew_crl(std::chrono::days{command.days}, session.now());
  if (!crl) return session.report(crl.error());
  if (!command.output.empty())
    if (const auto written = write_out(command.output, crl->pem()); !written) return session.report(written.error());
  if (session.json()) session.print_json(to_json(crl->facts()));
  else session.print(cli::with_relative_times(crl_text(*crl), session.now()));
  return code(cli::ExitCode::done);
}

int run(const CaSession& command, const Session& session) {
  auto root = open_root(command.root, {command.output, command.record}, session);
  if (!root) return session.report(root.error());
  const auto done = visit(*root, command, session);
  if (!done) return session.report(done.error());
  const std::string record = record_text(*root, *done, session);
  if (!command.record.empty())
    if (const auto written = write_out(command.record, record); !written) return session.report(written.error());
  if (session.json()) session.print_json(Json{{"signed", made_json(done->made)}, {"crl", to_json(done->crl.facts())}, {"output", printable(command.output, 4096)}, {"log_head", root->log().head()}});
  else session.print(cli::with_relative_times(record, session.now()) + fmt::format("\nTo be carried back: {}\n", printable(command.output, 4096)));
  return code(cli::ExitCode::done);
}

int run(const CaPasswd& command, const Session& session) {
  const auto before = passphrase_of(command.root);
  if (!before) return session.report(before.error());
  std::optional<Secret> after;
  if (!command.no_passphrase) {
    auto given = command.new_passphrase.empty() ? cli::ask_new_passphrase("the root's key") : named_secret(command.new_passphrase);
    if (!given) return session.report(given.error());
    after.emplace(std::move(*given));
  }
  const auto changed = ca::change_passphrase(command.root.root_dir, *before ? &**before : nullptr, after ? &*after : nullptr, session.now());
  if (!changed) return session.report(changed.error());
  if (session.json()) session.print_json(Json{{"root_directory", printable(command.root.root_dir, 4096)}, {"encrypted", after.has_value()}});
  else session.print(after ? "the root's key has the new passphrase\n" : "the root's key is NOT encrypted any more\n");
  session.warn("copies on other media still have the former one");
  return code(cli::ExitCode::done);
}

int run(const CaVerifyLog& command, const Session& session) {
  const auto log = ca::open_log(command.root_dir);
  if (!log) return session.report(log.error());
  if (session.json()) {
    Json list = Json::array();
    for (const ca::LogEntry& entry : log->entries()) list.push_back({{"number", entry.number}, {"at", to_rfc3339(entry.at)}, {"hash", entry.hash}, {"text", entry.text}});
    session.print_json(Json{{"entries", list}, {"head", log->head()}});
    return code(cli::ExitCode::done);
  }
  for (const ca::LogEntry& entry : log->entries()) session.print(cli::with_relative_times(fmt::format("{} {} {}\n", entry.number, to_rfc3339(entry.at), entry.text), session.now()));
  session.print(log->entries().empty() ? std::string("the log is empty: the root was made by another version, and not used since\n")
                                       : fmt::format("\n{} lines fit; the last hash, to compare with the record on paper:\n  {}\n", log->entries().size(), aloud(log->head())));
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
