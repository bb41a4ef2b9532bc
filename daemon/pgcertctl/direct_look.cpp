#include "pgcertctl/direct_look.hpp"

#include <fmt/format.h>

#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "config/conninfo.hpp"
#include "core/plan.hpp"
#include "pgcertctl/named_secret.hpp"
#include "pgcertctl/read_input.hpp"
#include "postgres/endpoints.hpp"
#include "postgres/probe.hpp"
#include "postgres/server.hpp"
#include "x509/certificate.hpp"
#include "x509/verify.hpp"

namespace pgcertd::ctl {
namespace {

using nlohmann::json;
using P = ProblemCode;

json when(TimePoint at) { return at == TimePoint{} || at >= no_expiry ? json(nullptr) : json(to_rfc3339(at)); }

// One cluster, looked at once.
class Look {
 public:
  Look(const Config& config, const ClusterConfig& cluster, TimePoint now)
      : cluster_(cluster), now_(now), current_(config.daemon.state_directory + "/clusters/" + cluster.name + "/current/") {}

  json take() {
    ask_server();
    read_file();
    for (const std::string& endpoint : endpoints()) handshake(endpoint);
    judge_dates();
    Severity worst = Severity::ok;
    json problems = json::array();
    for (const Finding& f : found_) {
      worst = worse(worst, f.severity);
      problems.push_back({{"code", to_string(f.code)}, {"severity", to_string(f.severity)}, {"message", printable(f.message, 1000)}, {"remedy", f.remedy}});
    }
    json certificate = nullptr;
    if (file_) certificate = {{"serial", file_->serial}, {"not_before", when(file_->not_before)}, {"not_after", when(file_->not_after)}};
    return {{"name", cluster_.name}, {"status", to_string(worst)}, {"certificate", certificate}, {"served", served_}, {"runway", {{"ends_at", nullptr}}}, {"problems", problems}};
  }

 private:
  void add(P code, std::string message, std::string remedy) { found_.push_back(finding(code, std::move(message), std::move(remedy))); }

  // Who may not log in can still shake hands: that tells the most.
  void ask_server() {
    postgres::ServerOptions options;
    options.conninfo = cluster_.conninfo;
    options.data_directory = cluster_.data_directory;
    options.server_user = cluster_.server_user;
    const SecretSource& source = cluster_.password;
    if (source) options.password = [source] { return named_secret((source.kind == SecretSource::Kind::file ? "file:" : "credential:") + source.name); };
    server_ = postgres::Server(options, cancel_).observe(nullptr);
    if (server_.fault == ServerFault::down || server_.fault == ServerFault::timeout || server_.fault == ServerFault::not_postgres)
      add(P::server_unreachable, "PostgreSQL does not answer: " + server_.fault_text, "look at the server, and at conninfo");
  }

  void read_file() {
    const std::string named = server_.known ? server_.file_setting("ssl_cert_file") : current_ + "server.crt";
    const auto bytes = named.empty() ? fail(Errc::not_found, "none") : read_input(named);
    if (!bytes && bytes.error().code == Errc::not_found && server_.known && server_.ssl_on()) add(P::cert_missing, printable(named) + " is not there", "pgcertctl status");
    if (!bytes) return;
    const auto chain = x509::parse_certificates(*bytes, printable(named));
    if (!chain) return add(P::cert_unreadable, chain.error().text(), "pgcertctl inspect " + printable(named));
    file_ = chain->front().facts();
    if (const auto root = read_input(current_ + "root.crt"))
      if (auto roots = x509::parse_certificates(*root, "root.crt")) roots_ = std::move(*roots);
  }

  [[nodiscard]] std::vector<std::string> endpoints() const {
    if (server_.known) return postgres::endpoints_of(server_, cluster_.endpoints, postgres::interface_addresses());
    if (!cluster_.endpoints.empty()) return cluster_.endpoints;
    const auto values = config::conninfo_values(cluster_.conninfo);
    const auto port = values ? values->find("port") : config::ConninfoValues::const_iterator{};
    return {"127.0.0.1:" + (values && port != values->end() ? port->second : "5432")};
  }

  void handshake(const std::string& endpoint) {
    const ProbeSeen seen = postgres::HandshakeProbe({}, cancel_).probe(endpoint, now_);
    if (seen.outcome == ProbeOutcome::ssl_refused) return add(P::ssl_off, endpoint + " offers no TLS", "pgcertctl status");
    if (seen.chain.empty()) {
      if (server_.reachable()) add(P::probe_failed, fmt::format("{}: {}", endpoint, seen.detail.empty() ? to_string(seen.outcome) : std::string_view(seen.detail)), "pgcertctl probe " + endpoint);
      return;
    }
    const CertFacts& leaf = seen.chain.front();
    ends_.push_back({endpoint, leaf});
    const bool same = file_ && file_->fingerprint_sha256 == leaf.fingerprint_sha256;
    served_.push_back({{"endpoint", endpoint}, {"serial", leaf.serial}, {"not_after", when(leaf.not_after)}, {"matches_file", file_ ? json(same) : json(nullptr)}});
    if (file_ && !same) add(P::served_stale, fmt::format("{} serves serial {}, the file holds {}", endpoint, leaf.serial, file_->serial), "reload PostgreSQL, and look for \"SSL configuration\" in its log");
    if (roots_.empty()) return;
    std::vector<x509::Certificate> chain;
    for (const std::string& pem : seen.chain_pem)
      if (auto parsed = x509::parse_certificates(pem, endpoint)) chain.insert(chain.end(), parsed->begin(), parsed->end());
    if (const auto verdict = x509::verify_chain(chain, roots_, x509::Purpose::server, now_); !verdict.ok) add(P::served_unverifiable, endpoint + ": " + verdict.error, "pgcertctl probe " + endpoint);
  }

  void judge(const std::string& where, const CertFacts& leaf) {
    const Duration left = leaf.not_after - now_;
    if (left <= Duration{0}) add(P::cert_expired, fmt::format("{} ended {}", where, relative_text(leaf.not_after, now_)), "pgcertctl rotate " + cluster_.name + " --wait");
    else if (now_ < leaf.not_before) add(P::cert_not_yet_valid, fmt::format("{} is valid only from {}", where, to_rfc3339(leaf.not_before)), "compare the clocks");
    else if (expires_soon(left, leaf.not_after - leaf.not_before)) add(P::cert_expiring, fmt::format("{} ends {}", where, relative_text(leaf.not_after, now_)), "pgcertctl rotate " + cluster_.name + " --wait");
  }
  void judge_dates() {
    if (ends_.empty() && file_) return judge("the certificate in the file", *file_);
    for (const auto& [endpoint, leaf] : ends_) judge("the certificate served at " + endpoint, leaf);
  }

  const ClusterConfig& cluster_;
  const TimePoint now_;
  const std::string current_;
  const std::shared_ptr<const postgres::Cancel> cancel_ = std::make_shared<postgres::Cancel>();   // nobody triggers it
  PostgresSeen server_;
  std::optional<CertFacts> file_;
  std::vector<x509::Certificate> roots_;
  std::vector<std::pair<std::string, CertFacts>> ends_;
  json served_ = json::array();
  std::vector<Finding> found_;
};

}  // namespace

json direct_look(const Config& config, const std::string& only_cluster, TimePoint now) {
  json clusters = json::array();
  for (const auto& [name, cluster] : config.clusters)
    if (only_cluster.empty() || only_cluster == name) clusters.push_back(Look(config, cluster, now).take());
  return {{"schema", 1}, {"generated_at", to_rfc3339(now)}, {"status", "ok"}, {"clusters", clusters}, {"issuers", json::array()}, {"problems", json::array()}};
}

}  // namespace pgcertd::ctl
