// doctor: every check there is, in the order in which one depends on the other. Only looks; the daemon repairs as it always does.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "cli/json_fields.hpp"
#include "cli/moments.hpp"
#include "cli/table.hpp"
#include "config/load.hpp"
#include "files/host.hpp"
#include "pgcertctl/checked.hpp"
#include "pgcertctl/commands.hpp"
#include "pgcertctl/doctor_issuer.hpp"
#include "postgres/probe.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;

// One run of all checks; those that need what failed before are unknown.
class Doctor {
 public:
  explicit Doctor(const Session& session) : session_(session) {}

  std::vector<Checked> examine() {
    configuration();
    directories();
    daemon();
    clusters();
    return std::move(out_);
  }

 private:
  void configuration() {
    const auto files = read_config_files(session_.globals().config);
    if (!files) return out_.push_back(bad("configuration", files.error()));
    LoadedConfig loaded = parse_config(*files, {files::may_be_user, files::may_be_group});
    for (const ConfigIssue& issue : loaded.issues) out_.push_back({"configuration", Verdict::bad, issue.text(), issue.remedy});
    if (!loaded.config) return;
    config_ = std::move(loaded.config);
    out_.push_back(good("configuration", fmt::format("{} cluster(s), {} issuer(s)", config_->clusters.size(), config_->issuers.size())));
  }

  void directories() {
    if (!config_) return;
    for (const auto& [name, issuer] : config_->issuers)
      if (issuer.type == IssuerType::local) out_.push_back(examine_issuer(issuer, config_->daemon.state_directory));
  }

  void daemon() {
    auto status = session_.client().get("/v1/status");
    if (!status) return out_.push_back(bad("daemon", status.error()));
    out_.push_back(good("daemon", "answers, version " + cli::text_at(*status, "version")));
    for (const json& cluster : cli::array_at(*status, "clusters")) {
      // Looked at anew: what is told below is of now.
      if (const auto looked = session_.client().post("/v1/clusters/" + cli::text_at(cluster, "name") + "/look", json::object()); !looked)
        out_.push_back(bad("cluster " + cli::text_at(cluster, "name"), looked.error()));
    }
    if (auto fresh = session_.client().get("/v1/status")) status = std::move(fresh);
    status_ = std::move(*status);
    problems("all", *status_);
  }

  void problems(const std::string& what, const json& holder) {
    for (const json& problem : cli::array_at(holder, "problems"))
      out_.push_back({what + ": " + cli::text_at(problem, "code"), Verdict::bad, cli::text_at(problem, "message"), remedy_of(problem)});
  }

  static std::string remedy_of(const json& problem) {
    const std::string remedy = cli::text_at(problem, "remedy"), more = "pgcertctl explain " + cli::text_at(problem, "code");
    return remedy.empty() ? more : remedy + " (more: " + more + ")";
  }

  void clusters() {
    if (!status_) return out_.push_back({"clusters", Verdict::unknown, "the daemon does not answer", ""});
    for (const json& cluster : cli::array_at(*status_, "clusters")) {
      const std::string name = "cluster " + cli::text_at(cluster, "name");
      const std::size_t before = out_.size();
      problems(name, cluster);
      for (const json& served : cli::array_at(cluster, "served")) endpoint(name, served);
      if (out_.size() == before) out_.push_back(good(name, "nothing is served that could be looked at, and nothing is wrong"));
    }
  }

  // By a handshake of our own: the daemon is not taken at its word.
  void endpoint(const std::string& name, const json& served) {
    const std::string place = cli::text_at(served, "endpoint");
    postgres::HandshakeProbe probe({}, std::make_shared<postgres::Cancel>());
    const ProbeSeen seen = probe.probe(place, session_.now());
    const std::string what = name + " at " + place;
    if (seen.outcome != ProbeOutcome::served) return out_.push_back({what, Verdict::bad, fmt::format("{} {}", to_string(seen.outcome), seen.detail), "pgcertctl probe " + place});
    const std::string shown = seen.chain.front().fingerprint_sha256;
    if (shown != cli::text_at(served, "fingerprint_sha256")) return out_.push_back({what, Verdict::bad, "it serves another certificate than the daemon has seen", "pgcertctl probe " + place});
    out_.push_back(good(what, fmt::format("{}, serial {}, until {}", seen.tls_version, seen.chain.front().serial, to_rfc3339(seen.chain.front().not_after))));
  }

  const Session& session_;
  std::vector<Checked> out_;
  std::optional<Config> config_;
  std::optional<json> status_;
};

const char* word(Verdict verdict) {
  switch (verdict) {
    case Verdict::good: return "ok";
    case Verdict::bad: return "wrong";
    case Verdict::waits: return "waits";
    case Verdict::unknown: break;
  }
  return "unknown";
}

cli::Tone tone(Verdict verdict) { return verdict == Verdict::good ? cli::Tone::good : verdict == Verdict::bad ? cli::Tone::critical : cli::Tone::warning; }

json checked_json(const std::vector<Checked>& all) {
  json out = json::array();
  for (const Checked& one : all) out.push_back({{"check", printable(one.what)}, {"verdict", word(one.verdict)}, {"message", printable(one.words, 2000)}, {"remedy", printable(one.remedy, 2000)}});
  return out;
}

std::string checked_text(const std::vector<Checked>& all, const Session& session) {
  cli::Table table({"CHECK", "", "WHAT WAS FOUND"});
  for (const Checked& one : all) table.add({one.what, {word(one.verdict), tone(one.verdict)}, cli::with_relative_times(one.remedy.empty() ? one.words : one.words + "; remedy: " + one.remedy, session.now())});
  return table.render(session.style());
}

}  // namespace

int run(const DoctorCommand&, const Session& session) {
  const std::vector<Checked> all = Doctor(session).examine();
  if (session.json()) session.print_json(json{{"checks", checked_json(all)}});
  else session.print(checked_text(all, session));
  const bool wrong = std::any_of(all.begin(), all.end(), [](const Checked& one) { return one.verdict != Verdict::good; });
  return code(wrong ? cli::ExitCode::failed : cli::ExitCode::done);
}

}  // namespace pgcertd::ctl
