// ca sign, ca crl, ca session, ca passwd, ca verify-log: what is done where the root's key is. Works without a daemon or a network.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "ca/durable_file.hpp"
#include "ca/root_ca.hpp"
#include "cli/layout.hpp"
#include "cli/terminal.hpp"
#include "pgcertctl/asking.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/facts_json.hpp"
#include "pgcertctl/facts_text.hpp"
#include "pgcertctl/named_secret.hpp"
#include "pgcertctl/read_input.hpp"
#include "x509/sign.hpp"

namespace pgcertd::ctl {
namespace {

using Json = nlohmann::ordered_json;

Result<std::optional<Secret>> passphrase_of(const RootUse& use) {
  if (!use.passphrase.empty()) {
    PGCERTD_TRY(Secret named, named_secret(use.passphrase));
    return std::optional(std::move(named));
  }
  const auto seen = ca::look_at(use.root_dir);
  if (!seen || !seen->key_encrypted) return std::optional<Secret>();   // what is wrong with the directory is told by who opens it
  auto typed = cli::ask_passphrase("Passphrase of the root's key: ");
  if (!typed && typed.error().code == Errc::refused)
    return fail(Errc::refused, "the passphrase of the root's key cannot be asked for: there is no terminal", "--passphrase file:PATH or credential:NAME");
  if (!typed) return fail(std::move(typed).error());
  return std::optional(std::move(*typed));
}

Result<ca::RootCa> open_root(const RootUse& use, const Session& session) {
  PGCERTD_TRY(const auto passphrase, passphrase_of(use));
  return ca::RootCa::open(use.root_dir, passphrase ? &*passphrase : nullptr, session.now());
}

// One request with what is to become of it.
struct Waiting {
  std::string file, pem;
  x509::RequestFacts facts;
  ca::SigningWish wish;
};

struct Lives {
  long server, issuing;   // days
};

Result<Waiting> read_request(const std::string& file, std::optional<bool> issuing, const std::vector<std::string>& names, Lives lives) {
  Waiting out;
  out.file = file;
  PGCERTD_TRY(out.pem, read_input(file));
  PGCERTD_TRY(out.facts, x509::parse_request(out.pem, printable(file, 4096)));
  out.wish.issuing = issuing.value_or(out.facts.asks_for_ca);
  out.wish.common_name = out.facts.common_name;
  out.wish.names = out.facts.names;
  if (!names.empty()) {
    PGCERTD_TRY(out.wish.names, x509::names_from(names));
  }
  out.wish.lifetime = std::chrono::days{out.wish.issuing ? lives.issuing : lives.server};
  return out;
}

Result<std::vector<Waiting>> read_requests(const std::vector<std::string>& files, std::optional<bool> issuing, const std::vector<std::string>& names, Lives lives) {
  std::vector<Waiting> out;
  for (const std::string& file : files) {
    PGCERTD_TRY(Waiting one, read_request(file, issuing, names, lives));
    out.push_back(std::move(one));
  }
  return out;
}

std::string names_text(const Names& names) {
  std::vector<std::string> all = names.dns;
  all.insert(all.end(), names.ip.begin(), names.ip.end());
  return printable(fmt::format("{}", fmt::join(all, ", ")), 2000);
}

// What a person compares with the note that came along before agreeing.
std::string waiting_text(const Waiting& one, const Session& session) {
  cli::Table table({}, 2);
  add_row(table, "becomes", one.wish.issuing ? "an issuing CA" : "a server's certificate", one.wish.issuing ? cli::Tone::warning : cli::Tone::plain);
  add_row(table, "subject", one.facts.subject);
  if (!one.wish.issuing) add_row(table, "names", names_text(one.wish.names));
  if (!one.wish.issuing && one.wish.names != one.facts.names) add_row(table, "asked for", names_text(one.facts.names), cli::Tone::warning);
  add_row(table, "key", one.facts.key_name);
  add_row(table, "life", to_text(one.wish.lifetime));
  add_row(table, "key's SHA-256", aloud(one.facts.spki_sha256));
  return session.style().paint(cli::Tone::strong, printable(one.file, 4096)) + "\n" + table.render(session.style());
}

// Nothing is signed unseen: on a terminal each visit is agreed to, a script says --yes.
Result<void> agree(const std::vector<Waiting>& requests, const Session& session) {
  if (requests.empty() || session.globals().yes) return {};
  std::string text;
  for (const Waiting& one : requests) text += waiting_text(one, session);
  session.warn("these are to be signed:\n" + text);
  if (!cli::is_terminal(0)) return fail(Errc::refused, "nothing was signed: there is no terminal to ask on", "look at the requests (pgcertctl inspect FILE), then say --yes");
  PGCERTD_TRY(const bool yes, cli::ask_yes_no("Sign them with the root's key?"));
  return yes ? Result<void>{} : fail(Errc::refused, "not agreed, nothing was signed");
}

Result<std::vector<x509::Certificate>> sign_all(ca::RootCa& root, const std::vector<Waiting>& requests, const Session& session) {
  std::vector<x509::Certificate> made;
  for (const Waiting& one : requests) {
    auto certificate = root.sign(one.pem, one.wish, session.now());
    if (!certificate) return fail(std::move(certificate).error().within(printable(one.file, 4096)));
    made.push_back(std::move(*certificate));
  }
  return made;
}

// What is carried back: certificates, the root, its CRL. Whole or not there at all.
Result<void> write_bundle(const std::string& path, const std::vector<x509::Certificate>& made, const x509::Certificate& root, const std::optional<x509::Crl>& crl) {
  std::string pem = x509::to_pem(made) + root.pem();
  if (crl) pem += crl->pem();
  return ca::replace_file(path, pem, 0644);
}

Json made_json(const std::vector<x509::Certificate>& made) {
  Json list = Json::array();
  for (const x509::Certificate& one : made) list.push_back(to_json(one.facts()));
  return list;
}

std::string made_text(const x509::Certificate& made) {
  const CertFacts& facts = made.facts();
  return fmt::format("{} {}: serial {}, until {}\n", facts.is_ca ? "issuing CA" : "server", printable(facts.subject, 200), facts.serial, to_rfc3339(facts.not_after));
}

std::string crl_text(const x509::Crl& crl) {
  return fmt::format("the root's CRL {}: {} revoked, until {}\n", crl.facts().number, crl.facts().revoked, crl.facts().next_update ? to_rfc3339(*crl.facts().next_update) : "never");
}

struct Visit {
  std::vector<x509::Certificate> made;
  x509::Crl crl;
};

Result<Visit> visit(ca::RootCa& root, const CaSession& command, const Session& session) {
  PGCERTD_TRY(const auto requests, read_requests(command.requests, std::nullopt, {}, {command.days, command.issuing_days}));
  PGCERTD_CHECK(agree(requests, session));
  PGCERTD_TRY(auto made, sign_all(root, requests, session));
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

}  // namespace

int run(const CaSign& command, const Session& session) {
  auto root = open_root(command.root, session);
  if (!root) return session.report(root.error());
  const bool issuing = command.profile == "issuing";
  const Lives lives{command.days == 0 ? 90 : command.days, command.days == 0 ? 730 : command.days};
  const auto requests = read_requests(command.requests, issuing, command.names, lives);
  if (!requests) return session.report(requests.error());
  if (const auto agreed = agree(*requests, session); !agreed) return session.report(agreed.error());
  const auto made = sign_all(*root, *requests, session);
  if (!made) return session.report(made.error());
  const auto crl = root->crl();
  if (!crl) return session.report(crl.error());
  if (const auto written = write_bundle(command.output, *made, root->certificate(), *crl); !written) return session.report(written.error());
  if (session.json()) session.print_json(Json{{"signed", made_json(*made)}, {"output", printable(command.output, 4096)}, {"log_head", root->log().head()}});
  else
    for (const x509::Certificate& one : *made) session.print(made_text(one));
  return code(cli::ExitCode::done);
}

int run(const CaCrl& command, const Session& session) {
  auto root = open_root(command.root, session);
  if (!root) return session.report(root.error());
  const auto crl = root->renew_crl(std::chrono::days{command.days}, session.now());
  if (!crl) return session.report(crl.error());
  if (!command.output.empty())
    if (const auto written = ca::replace_file(command.output, crl->pem(), 0644); !written) return session.report(written.error());
  if (session.json()) session.print_json(to_json(crl->facts()));
  else session.print(crl_text(*crl));
  return code(cli::ExitCode::done);
}

int run(const CaSession& command, const Session& session) {
  auto root = open_root(command.root, session);
  if (!root) return session.report(root.error());
  const auto done = visit(*root, command, session);
  if (!done) return session.report(done.error());
  const std::string record = record_text(*root, *done, session);
  if (!command.record.empty())
    if (const auto written = ca::replace_file(command.record, record, 0644); !written) return session.report(written.error());
  if (session.json()) session.print_json(Json{{"signed", made_json(done->made)}, {"crl", to_json(done->crl.facts())}, {"output", printable(command.output, 4096)}, {"log_head", root->log().head()}});
  else session.print(record);
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
  session.print(after ? "the root's key has the new passphrase\n" : "the root's key is NOT encrypted any more\n");
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
  for (const ca::LogEntry& entry : log->entries()) session.print(fmt::format("{} {} {}\n", entry.number, to_rfc3339(entry.at), entry.text));
  session.print(log->entries().empty() ? std::string("the log is empty: the root was made by another version, and not used since\n")
                                       : fmt::format("\n{} lines fit; the last hash, to compare with the record on paper:\n  {}\n", log->entries().size(), aloud(log->head())));
  return code(cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
