#include "status/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <span>

#include "core/client_certificates.hpp"
#include "status/metric_set.hpp"
#include "status/view.hpp"

namespace pgcertd::status {
namespace {

double seconds(Duration d) { return static_cast<double>(d.count()) / 1000; }
double flag(bool b) { return b ? 1 : 0; }
double count(std::uint64_t n) { return static_cast<double>(n); }

// Whose problems and expiries: {cluster="main"}, {ca="local"} or {certificate="http"}, which is the listener's; the daemon's own have none.
Labels cluster_label(const ClusterView& c) { return {{"cluster", c.name}}; }
Labels ca_label(const IssuerView& i) { return {{"ca", i.seen.name}}; }
Labels listener_label() { return {{"certificate", "http"}}; }

double status_value(Severity s) {
  switch (s) {
    case Severity::ok: return 0;
    case Severity::warning: return 1;
    case Severity::critical: return 2;
    case Severity::unknown: return 3;
  }
  return 3;
}

void overall(MetricSet& set, const Snapshot& s) {
  auto& status = set.gauge("status", "State of a cluster: 0 ok, 1 warning, 2 critical, 3 unknown.");
  for (const ClusterView& c : s.clusters) status.add(cluster_label(c), status_value(c.status));
  auto& problems = set.gauge("problems", "Problems that stand, by severity.");
  auto& problem = set.gauge("problem", "1 for each problem that stands.");
  const auto tell = [&](const Labels& whose, const std::vector<StandingProblem>& list) {
    for (const Severity severity : {Severity::warning, Severity::critical, Severity::unknown}) {
      double n = 0;
      for (const StandingProblem& p : list) n += flag(p.finding.severity == severity);
      problems.add(whose + Labels{{"severity", to_string(severity)}}, n);
    }
    for (const StandingProblem& p : list)
      problem.add(whose + Labels{{"code", to_string(p.finding.code)}, {"severity", to_string(p.finding.severity)}}, 1);
  };
  for (const ClusterView& c : s.clusters) tell(cluster_label(c), c.problems);
  for (const IssuerView& i : s.issuers) tell(ca_label(i), i.problems);
  if (s.listener) tell(listener_label(), s.listener->problems);
  tell({}, s.problems);
}

void certificate_checks(MetricSet::Family& check, const Labels& who, const std::optional<CertificateView>& seen, bool revoked, TimePoint now) {
  const CertificateView* v = seen ? &*seen : nullptr;
  const auto tell = [&](std::string_view name, bool ok) { check.add(who + Labels{{"check", name}}, flag(v && ok)); };
  tell("parse", true);
  tell("time", v && v->leaf.not_before <= now && now <= v->leaf.not_after);
  tell("chain", v && v->judgement.chain_ok);
  tell("key_match", v && v->judgement.key_matches);
  tell("name", v && v->judgement.missing_names.empty());
  tell("key_usage", v && v->leaf.server_auth);
  tell("not_revoked", !revoked);
  tell("algorithm", v && !v->judgement.weak);
}

struct CertificateFamilies {
  MetricSet::Family& readable;
  MetricSet::Family& not_before;
  MetricSet::Family& not_after;
  MetricSet::Family& chain;
  MetricSet::Family& renewal;
  MetricSet::Family& check;
  MetricSet::Family& info;
};

void certificate_dates(CertificateFamilies& f, const Labels& who, const CertificateView& v) {
  f.not_before.add_time(who, v.leaf.not_before);
  f.not_after.add_time(who, v.leaf.not_after);
  f.chain.add_time(who, v.chain_not_after);
  f.renewal.add_time(who, v.renew_at);
  f.info.add(who + Labels{{"role", "server"},
                          {"path", v.path},
                          {"subject", v.leaf.subject},
                          {"issuer", v.leaf.issuer},
                          {"serial", v.leaf.serial},
                          {"fingerprint_sha256", v.leaf.fingerprint_sha256},
                          {"key", v.leaf.key_name}},
             1);
}

void certificates(MetricSet& set, const Snapshot& s) {
  CertificateFamilies f{set.gauge("certificate_readable", "1 when the certificate that the server's settings name could be read."),
                        set.gauge("certificate_not_before_timestamp_seconds", "notBefore of the certificate in the file."),
                        set.gauge("certificate_not_after_timestamp_seconds", "notAfter of the certificate in the file."),
                        set.gauge("certificate_chain_not_after_timestamp_seconds", "Earliest notAfter on its path."),
                        set.gauge("certificate_renewal_timestamp_seconds", "When it is to be renewed."),
                        set.gauge("certificate_check_ok", "1 when the certificate passes the check."),
                        set.gauge("certificate_info", "What the certificate is; always 1.")};
  for (const ClusterView& c : s.clusters) {
    const Labels who = cluster_label(c) + Labels{{"certificate", "server"}};
    f.readable.add(who, flag(c.certificate.has_value()));
    certificate_checks(f.check, who, c.certificate, stands(c.problems, ProblemCode::cert_revoked), s.generated_at);
    if (c.certificate || c.last_certificate) certificate_dates(f, who, c.certificate ? *c.certificate : *c.last_certificate);
  }
  if (!s.listener) return;
  const Labels who = listener_label();
  f.readable.add(who, flag(s.listener->certificate.has_value()));
  certificate_checks(f.check, who, s.listener->certificate, stands(s.listener->problems, ProblemCode::cert_revoked), s.generated_at);
  if (s.listener->certificate) certificate_dates(f, who, *s.listener->certificate);
}

const ServedView* last_known(const ClusterView& c, const std::string& endpoint) {
  const auto found = std::ranges::find(c.last_served, endpoint, [](const ServedView& v) -> const std::string& { return v.probe.endpoint; });
  return found == c.last_served.end() ? nullptr : &*found;
}

bool shows_certificate(const ServedView& v) { return v.probe.outcome == ProbeOutcome::served && !v.probe.chain.empty(); }

// Then no file of ours is meant to be served there.
bool is_unmanaged(const ClusterView& c, const std::string& endpoint) {
  return std::ranges::any_of(c.problems, [&](const StandingProblem& p) { return p.finding.code == ProblemCode::endpoint_unmanaged && p.finding.object == endpoint; });
}

void served(MetricSet& set, const Snapshot& s) {
  auto& success = set.gauge("served_probe_success", "1 when the last handshake with the endpoint showed a certificate.");
  auto& took = set.gauge("served_probe_duration_seconds", "How long the last handshake took.");
  auto& last = set.gauge("served_last_success_timestamp_seconds", "When a handshake last showed a certificate.");
  auto& not_after = set.gauge("served_not_after_timestamp_seconds", "notAfter of the served certificate.");
  auto& matches = set.gauge("served_matches_file", "1 when the served certificate is the one in the file.");
  auto& verify = set.gauge("served_verify_ok", "1 when the served chain verifies under the issuer's root.");
  auto& length = set.gauge("served_chain_length", "Certificates that the server sends.");
  auto& info = set.gauge("served_info", "What is served; always 1.");
  const auto what = [&](const ClusterView& c, const Labels& who, const ServedView& v) {
    const CertFacts& leaf = v.probe.chain.front();
    last.add_time(who, v.probe.probed_at);
    not_after.add_time(who, leaf.not_after);
    if (!is_unmanaged(c, v.probe.endpoint)) matches.add(who, flag(v.matches_file));
    verify.add(who, flag(v.verify == "ok"));
    length.add(who, count(v.probe.chain.size()));
    info.add(who + Labels{{"serial", leaf.serial}, {"fingerprint_sha256", leaf.fingerprint_sha256},
                          {"tls", v.probe.tls_version}, {"cipher", v.probe.cipher}}, 1);
  };
  for (const ClusterView& c : s.clusters) {
    for (const ServedView& v : c.served) {
      const Labels who = cluster_label(c) + Labels{{"endpoint", v.probe.endpoint}};
      success.add(who, flag(shows_certificate(v)));
      took.add(who, seconds(v.probe.took));
      const ServedView* const shown = shows_certificate(v) ? &v : last_known(c, v.probe.endpoint);
      if (shown) what(c, who, *shown);
    }
    for (const ServedView& v : c.last_served) {   // doubled ones are told once: what is seen now came first
      const Labels who = cluster_label(c) + Labels{{"endpoint", v.probe.endpoint}};
      success.add(who, 0);
      what(c, who, v);
    }
  }
}

std::optional<CrlFacts> first_to_end(const CrlSet& set) {
  std::optional<CrlFacts> first;
  for (const InstalledCrl& crl : set.crls)
    if (crl.facts.next_update && (!first || *crl.facts.next_update < *first->next_update)) first = crl.facts;
  return first;
}

struct CrlFamilies {
  MetricSet::Family& readable;
  MetricSet::Family& this_update;
  MetricSet::Family& next_update;
  MetricSet::Family& number;
  MetricSet::Family& revoked;
  MetricSet::Family& check;
};

void add_number(MetricSet::Family& number, const Labels& who, const std::string& decimal) {
  if (!decimal.empty()) number.add(who, std::strtod(decimal.c_str(), nullptr));
}

void issuers_crl(CrlFamilies& f, const std::string& name, const std::optional<CrlFacts>& crl) {
  const Labels who{{"crl", name}};
  f.readable.add(who, flag(crl.has_value()));
  f.check.add(who + Labels{{"check", "parse"}}, flag(crl.has_value()));
  if (!crl) return;
  f.this_update.add_time(who, crl->this_update);
  f.next_update.add_time(who, crl->next_update);
  add_number(f.number, who, crl->number);
  f.revoked.add(who, count(crl->revoked));
}

bool is_of_one(const InstalledCrl& crl, const std::vector<CertFacts>& authorities) {
  return std::ranges::find(authorities, crl.facts.issuer, &CertFacts::subject) != authorities.end();
}

// As OpenSSL inside PostgreSQL takes them: one CA without a good CRL, and every client with a certificate is refused. `issuers`: CAs of this
// host, of which the issuing ones do not stand in ssl_ca_file, as clients send them along.
void crl_checks(CrlFamilies& f, const Labels& who, const CrlSet& set, const std::vector<CertFacts>& issuers) {
  const bool parsed = set.trouble.empty();
  const auto is_covered = [&](const CertFacts& ca) { return crl_of(set, ca) != nullptr; };
  const auto tell = [&](std::string_view name, bool ok) { f.check.add(who + Labels{{"check", name}}, flag(parsed && ok)); };
  tell("parse", true);
  tell("signature", std::ranges::none_of(set.crls, [&](const InstalledCrl& crl) { return is_of_one(crl, set.authorities) && crl.signers.empty(); }));
  tell("issuer_known", std::ranges::all_of(set.crls, [&](const InstalledCrl& crl) { return is_of_one(crl, set.authorities) || is_of_one(crl, issuers); }));
  tell("covers_chain", std::ranges::all_of(set.authorities, is_covered));
}

void installed_crls(CrlFamilies& f, const std::string& cluster, const CrlSet& set, const std::vector<CertFacts>& issuers) {
  const Labels who{{"cluster", cluster}, {"crl", "ssl_crl_file"}};
  f.readable.add(who, flag(set.trouble.empty()));
  crl_checks(f, who, set, issuers);
  if (const auto first = first_to_end(set)) {
    f.this_update.add_time(who, first->this_update);
    f.next_update.add_time(who, first->next_update);
  }
  if (set.crls.size() == 1) add_number(f.number, who, set.crls.front().facts.number);
  std::uint64_t entries = 0;
  for (const InstalledCrl& crl : set.crls) entries += crl.facts.revoked;
  f.revoked.add(who, count(entries));
}

std::vector<CertFacts> authorities_of(const std::vector<IssuerView>& issuers) {
  std::vector<CertFacts> out;
  for (const IssuerView& i : issuers)
    for (const auto& ca : {i.seen.issuing, i.seen.root})
      if (ca) out.push_back(*ca);
  return out;
}

// The issuer's own CRLs: {crl="local"} and {crl="local/root"}. A slash stands in no issuer's name. Of what a server has
// installed, {cluster="main",crl="ssl_crl_file"}: the whole file, with the end that comes first.
void crls(MetricSet& set, const Snapshot& s) {
  CrlFamilies families{set.gauge("crl_readable", "1 when the CRL could be read."), set.gauge("crl_this_update_timestamp_seconds", "thisUpdate of the CRL."),
                       set.gauge("crl_next_update_timestamp_seconds", "nextUpdate of the CRL."), set.gauge("crl_number", "Its CRL number."),
                       set.gauge("crl_revoked_certificates", "Entries in the CRL, with those of the canaries that show whether a server has loaded it."),
                       set.gauge("crl_check_ok", "1 when the CRL passes the check.")};
  const std::vector<CertFacts> known = authorities_of(s.issuers);
  for (const ClusterView& c : s.clusters)
    if (c.crl_set) installed_crls(families, c.name, *c.crl_set, known);
  for (const IssuerView& i : s.issuers) {
    if (i.type == IssuerType::self_signed) continue;
    issuers_crl(families, i.seen.name, i.seen.crl);
    issuers_crl(families, i.seen.name + "/root", i.seen.root_crl);
  }
}

void authorities(MetricSet& set, const Snapshot& s) {
  auto& not_after =
      set.gauge("ca_not_after_timestamp_seconds", "notAfter of the CA's certificate; NAME is the issuing CA, NAME/root the root.");
  auto& not_before = set.gauge("ca_not_before_timestamp_seconds", "notBefore of the CA's certificate.");
  auto& key = set.gauge("ca_key_available", "1 when the CA's key can be used now.");
  auto& certificates = set.gauge("ca_certificates", "Certificates in the CA's registry.");
  auto& issued = set.counter("ca_issued_total", "Certificates that the CA signed, by profile.");
  auto& revoked = set.counter("ca_revoked_total", "Certificates that were revoked, by reason.");
  auto& failures = set.counter("ca_sign_failures_total", "Requests that were refused or could not be signed, since the daemon's start.");
  for (const IssuerView& i : s.issuers) {
    const std::string root = i.seen.name + "/root";
    const auto life = [&](const Labels& who, const std::optional<CertFacts>& ca) {
      if (ca) not_after.add_time(who, ca->not_after), not_before.add_time(who, ca->not_before);
    };
    life(ca_label(i), i.seen.issuing);
    life({{"ca", root}}, i.seen.root);
    key.add(ca_label(i), flag(i.seen.key_available));
    certificates.add(ca_label(i) + Labels{{"state", "issued"}}, count(i.seen.issued));
    certificates.add(ca_label(i) + Labels{{"state", "revoked"}}, count(i.seen.revoked));
    for (const auto& [profile, n] : i.seen.issued_by_profile) issued.add(ca_label(i) + Labels{{"profile", profile}}, count(n));
    for (const auto& [reason, n] : i.seen.revoked_by_reason) revoked.add(ca_label(i) + Labels{{"reason", reason}}, count(n));
    failures.add(ca_label(i), count(i.sign_failures));
  }
}

// Counted, as there may be a thousand of them: the series of a CA are as many as there are states.
void client_certificates(MetricSet& set, const Snapshot& s) {
  auto& certificates = set.gauge("client_certificates", "Certificates that the CA gave out to clients, by state; those that ended are counted for a week more.");
  auto& first_end = set.gauge("client_certificate_earliest_not_after_timestamp_seconds", "The earliest notAfter among the newest of each role that are not revoked.");
  for (const IssuerView& i : s.issuers) {
    if (i.type != IssuerType::local) continue;           // nobody else gives any
    std::array<std::uint64_t, client_states> counted{};
    for (const ClientState state : states_of(i.seen.clients, s.generated_at)) ++counted[static_cast<std::size_t>(state)];
    for (std::size_t state = 0; state < counted.size(); ++state)
      certificates.add(ca_label(i) + Labels{{"state", to_string(static_cast<ClientState>(state))}}, count(counted[state]));
    first_end.add_time(ca_label(i), earliest_end(i.seen.clients, s.generated_at));
  }
}

void runways(MetricSet& set, const Snapshot& s) {
  auto& end = set.gauge("runway_end_timestamp_seconds", "When this would end if the root's key were never used again.");
  auto& pending = set.gauge("pending_requests", "Requests that wait for their certificate.");
  auto& oldest = set.gauge("pending_request_oldest_timestamp_seconds", "Since when the oldest of them waits.");
  for (const ClusterView& c : s.clusters) {
    const Labels who = cluster_label(c);
    const auto limit = [&](RunwayLimit l, const std::optional<TimePoint>& at) {
      end.add_time(who + Labels{{"limit", to_string(l)}}, at);
    };
    if (c.runway.ends_at) limit(c.runway.limited_by, c.runway.ends_at);
    if (const IssuerView* i = issuer_of(s, c)) {
      if (i->seen.issuing) limit(RunwayLimit::issuing_ca, i->seen.issuing->not_after);
      if (i->seen.root) limit(RunwayLimit::root_ca, i->seen.root->not_after);
      if (i->seen.root_crl) limit(RunwayLimit::root_crl, i->seen.root_crl->next_update);
    }
    pending.add(who, count(c.pending.size()));
    std::optional<TimePoint> first;
    for (const PendingSeen& p : c.pending)
      if (!first || p.created < *first) first = p.created;
    oldest.add_time(who, first);
  }
}

constexpr std::array reload_methods{"sql", "signal", "systemd", "patroni"};
constexpr std::array restart_methods{"systemd", "pg_ctl", "patroni"};
constexpr std::array results{"applied", "not_applied", "error"};
constexpr std::array rotation_stages{"keygen", "request", "sign", "stage", "install", "reload", "verify"};

// Each from the start, at 0: an increase from nothing is no increase to Prometheus.
void by_method(MetricSet::Family& family, const Labels& who, std::span<const char* const> methods, const std::map<std::string, std::uint64_t>& counted) {
  for (const char* method : methods)
    for (const char* result : results) {
      const auto found = counted.find(std::string(method) + " " + result);
      family.add(who + Labels{{"method", method}, {"result", result}}, found == counted.end() ? 0 : count(found->second));
    }
}

void rotation_totals(MetricSet& set, const Snapshot& s) {
  auto& total = set.counter("rotations_total", "Rotations by their end; success means that a handshake proved it.");
  auto& stage = set.counter("rotation_stage_failures_total", "Rotations that failed, by the stage that did.");
  auto& reloads = set.counter("reloads_total", "Reloads by their end; applied means that a handshake proved it.");
  auto& restarts = set.counter("restarts_total", "Restarts of PostgreSQL by their end; applied means that a handshake proved it.");
  for (const ClusterView& c : s.clusters) {
    const ClusterMemory& m = c.memory;
    const Labels who = cluster_label(c);
    const auto tell = [&](MetricSet::Family& f, std::string_view result, std::uint64_t n) {
      f.add(who + Labels{{"result", result}}, count(n));
    };
    tell(total, "success", m.rotations_proved);
    tell(total, "failure", m.rotations_failed);
    tell(total, "rolled_back", m.rotations_rolled_back);
    by_method(reloads, who, reload_methods, m.reloads);
    by_method(restarts, who, restart_methods, m.restarts);
    for (const char* name : rotation_stages) {
      const auto found = m.stage_failures.find(name);
      stage.add(who + Labels{{"stage", name}}, found == m.stage_failures.end() ? 0 : count(found->second));
    }
  }
}

const std::vector<double> bounds_in_seconds = [] {
  std::vector<double> out;
  for (const Duration bound : rotation_bounds) out.push_back(seconds(bound));
  return out;
}();

void rotations(MetricSet& set, const Snapshot& s) {
  rotation_totals(set, s);
  auto& attempt = set.gauge("rotation_last_attempt_timestamp_seconds", "When a rotation was last begun.");
  auto& success = set.gauge("rotation_last_success_timestamp_seconds", "When a rotation was last proved.");
  auto& next = set.gauge("rotation_next_attempt_timestamp_seconds", "When the next one is planned.");
  auto& running = set.gauge("rotation_in_progress", "1 while a new certificate is on its way.");
  auto& paused = set.gauge("rotation_paused", "1 while an operator has paused rotation.");
  auto& failures = set.gauge("rotation_consecutive_failures", "Failures since the last success.");
  auto& took = set.histogram("rotation_duration_seconds", "How long proved rotations took, from their begin to the handshake.");
  for (const ClusterView& c : s.clusters) {
    const ClusterMemory& m = c.memory;
    const Labels who = cluster_label(c);
    attempt.add_time(who, m.last_attempt_at);
    success.add_time(who, m.last_success_at);
    next.add_time(who, next_attempt(c));
    running.add(who, flag(in_progress(c.stage)));
    paused.add(who, flag(m.paused(s.generated_at)));
    failures.add(who, m.consecutive_failures);
    took.add_histogram(who, bounds_in_seconds, m.rotations_by_duration, seconds(m.rotations_took));
  }
}

void servers(MetricSet& set, const Snapshot& s) {
  auto& up = set.gauge("postgresql_up", "1 when PostgreSQL answered the last look.");
  auto& ssl = set.gauge("postgresql_ssl_enabled", "1 when its setting ssl is on.");
  auto& restart = set.gauge("postgresql_pending_restart", "1 when a setting waits for a restart.");
  auto& start = set.gauge("postgresql_start_timestamp_seconds", "When the postmaster started.");
  auto& load =
      set.gauge("postgresql_config_load_timestamp_seconds", "When it last read its configuration; no proof that it took it.");
  for (const ClusterView& c : s.clusters) {
    const Labels who = cluster_label(c);
    up.add(who, flag(c.server.reachable()));
    if (!c.server.known) continue;
    ssl.add(who, flag(c.server.ssl_on()));
    restart.add(who, flag(pending_restart(c.server)));
    start.add_time(who, c.server.postmaster_start);
    load.add_time(who, c.server.config_loaded);
  }
}

// Of directories only those that the server's user may not search are listed.
bool parents_fit(const ClusterView& c, const FileSeen& file) {
  return std::ranges::none_of(c.permissions, [&](const FileJudgement& j) {
    return j.setting.empty() && j.verdict != FileVerdict::ok && file.path.starts_with(j.path + "/");
  });
}

void files(MetricSet& set, const Snapshot& s) {
  auto& compliant = set.gauge("file_compliant", "1 when the file is as PostgreSQL demands.");
  auto& repairs = set.counter("file_repairs_total", "How often owner and mode were put right.");
  auto& changes = set.counter("file_foreign_changes_total", "How often somebody else had changed the file.");
  for (const ClusterView& c : s.clusters)
    for (const FileRole role : {FileRole::certificate, FileRole::key, FileRole::root, FileRole::crl}) {
      const Labels who = cluster_label(c) + Labels{{"file", file_name(role)}};
      const auto of = [&](const std::map<std::string, std::uint64_t>& by_file) {
        const auto found = by_file.find(std::string(file_name(role)));
        return found == by_file.end() ? 0 : count(found->second);
      };
      repairs.add(who, of(c.memory.repairs_ever));
      changes.add(who, of(c.memory.foreign_changes));
    }
  for (const ClusterView& c : s.clusters)
    for (const FileSeen& file : c.files) {
      const auto role = role_of(file);
      if (!role) continue;
      const FileVerdict verdict = judge(c.identity, file);
      const Labels who = cluster_label(c) + Labels{{"file", file_name(*role)}};
      compliant.add(who + Labels{{"check", "type"}}, flag(verdict != FileVerdict::missing && verdict != FileVerdict::not_regular));
      compliant.add(who + Labels{{"check", "owner"}}, flag(verdict != FileVerdict::wrong_owner));
      compliant.add(who + Labels{{"check", "mode"}},
                    flag(verdict != FileVerdict::group_or_world && verdict != FileVerdict::unreadable));
      compliant.add(who + Labels{{"check", "parent"}}, flag(parents_fit(c, file)));
    }
}

// A client chooses its cipher: the ones seen most often stand by themselves, the others together.
constexpr std::size_t ciphers_apart = 6;

void tls_sessions(MetricSet::Family& family, const ClusterView& c) {
  std::map<std::pair<std::string, std::string>, std::uint64_t> by_kind;
  for (const SessionGroup& g : *c.sessions)
    if (!g.tls_version.empty()) by_kind[{g.tls_version, g.cipher}] += g.count;
  std::vector<std::pair<std::pair<std::string, std::string>, std::uint64_t>> kinds(by_kind.begin(), by_kind.end());
  std::ranges::stable_sort(kinds, [](const auto& a, const auto& b) { return a.second > b.second; });
  std::uint64_t others = 0;
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const auto& [kind, n] = kinds[i];
    if (i < ciphers_apart) family.add(cluster_label(c) + Labels{{"version", kind.first}, {"cipher", kind.second}}, count(n));
    else others += n;
  }
  if (others != 0) family.add(cluster_label(c) + Labels{{"version", "other"}, {"cipher", "other"}}, count(others));
}

std::string_view transport_of(const SessionGroup& g) { return !g.tcp ? "unix" : g.loopback ? "loopback" : "network"; }

void sessions(MetricSet& set, const Snapshot& s) {
  auto& all = set.gauge("postgresql_sessions", "Client sessions; a Unix socket never has TLS and needs none.");
  auto& tls = set.gauge("postgresql_tls_sessions", "TLS sessions by version and cipher.");
  auto& certified = set.gauge("postgresql_client_certificate_sessions", "Sessions that showed a client certificate.");
  auto& revoked = set.gauge("postgresql_revoked_client_sessions", "Of these, those whose certificate has been revoked since they connected.");
  auto& old = set.gauge("postgresql_sessions_before_rotation", "TLS sessions that are older than the certificate that is served.");
  for (const ClusterView& c : s.clusters) {
    if (!c.sessions) continue;
    using Kind = std::pair<std::string_view, std::string_view>;
    std::map<Kind, std::uint64_t> counts{{{"unix", "off"}, 0}, {{"loopback", "off"}, 0}, {{"loopback", "on"}, 0}, {{"network", "off"}, 0}, {{"network", "on"}, 0}};
    std::uint64_t before = 0;
    for (const SessionGroup& g : *c.sessions) {
      counts[{transport_of(g), g.tls_version.empty() ? "off" : "on"}] += g.count;
      before += g.before_rotation;
    }
    for (const auto& [kind, n] : counts) all.add(cluster_label(c) + Labels{{"transport", kind.first}, {"tls", kind.second}}, count(n));
    tls_sessions(tls, c);
    certified.add(cluster_label(c), count(c.client_certificate_sessions));
    revoked.add(cluster_label(c), count(c.revoked_sessions));
    old.add(cluster_label(c), count(before));
  }
}

void daemon_itself(MetricSet& set, const Snapshot& s, const BuildInfo& build) {
  set.gauge("build_info", "Which program this is; always 1.")
      .add({{"version", build.version}, {"revision", build.revision}, {"compiler", build.compiler}}, 1);
  set.gauge("config_last_reload_successful", "1 when the last load of the configuration was good.").add({}, flag(s.config_ok));
  set.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded.")
      .add_time({}, known(s.config_loaded_at));
  auto& last_run = set.gauge("task_last_run_timestamp_seconds", "When a task last ran to its end.");
  auto& interval = set.gauge("task_interval_seconds", "How often it should.");
  auto& errors = set.counter("task_errors_total", "Its runs that failed.");
  for (const TaskView& t : s.tasks) {
    last_run.add_time({{"task", t.name}}, known(t.last_run));
    interval.add({{"task", t.name}}, seconds(t.interval));
    errors.add({{"task", t.name}}, count(t.errors));
  }
  set.counter("state_write_failures_total", "Writes to the state directory that failed.").add({}, count(s.state_write_failures));
}

void process_metrics(MetricSet& set, const ProcessFacts& p) {
  set.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.").add({}, p.cpu_seconds);
  const auto tell = [&](std::string_view name, std::string_view help, std::uint64_t n) {
    if (n != 0) set.gauge(name, help).add({}, count(n));
  };
  tell("process_resident_memory_bytes", "Resident memory size in bytes.", p.resident_bytes);
  tell("process_virtual_memory_bytes", "Virtual memory size in bytes.", p.virtual_bytes);
  tell("process_open_fds", "Number of open file descriptors.", p.open_fds);
  tell("process_max_fds", "Maximum number of open file descriptors.", p.max_fds);
  tell("process_threads", "Number of threads.", p.threads);
  set.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.")
      .add_time({}, known(p.started_at));
}

}  // namespace

std::string snapshot_metrics_text(const Snapshot& snapshot, const BuildInfo& build) {
  MetricSet set;
  overall(set, snapshot);
  certificates(set, snapshot);
  served(set, snapshot);
  crls(set, snapshot);
  authorities(set, snapshot);
  client_certificates(set, snapshot);
  runways(set, snapshot);
  rotations(set, snapshot);
  servers(set, snapshot);
  files(set, snapshot);
  sessions(set, snapshot);
  daemon_itself(set, snapshot, build);
  set.count_by("cluster", "cluster_series", "Series that this page has for the cluster; 150 at most are meant to be.");
  return set.text();
}

// By hand, as each request changes it: all labels are words of ours, in which nothing is to be escaped.
std::string request_metrics_text(const Counters& counters) {
  std::string out = "# HELP pgcertd_http_requests_total Answers given, by handler and code.\n# TYPE pgcertd_http_requests_total counter\n";
  for (const auto& [key, n] : counters.http_requests) {
    out.append("pgcertd_http_requests_total{handler=\"").append(key.first).append("\",code=\"").append(key.second).append("\"} ");
    const fmt::format_int digits(n);
    out.append(digits.data(), digits.size()).append(1, '\n');
  }
  return out;
}

std::string process_metrics_text(const ProcessFacts& process) {
  MetricSet set;
  if (process.clock_synchronized)
    set.gauge("clock_synchronized", "1 when the kernel says that the clock is disciplined by a time service.").add({}, flag(*process.clock_synchronized));
  process_metrics(set, process);
  return set.text();
}

std::string metrics_text(const Snapshot& snapshot, const BuildInfo& build, const ProcessFacts& process, const Counters& counters) {
  return snapshot_metrics_text(snapshot, build) + request_metrics_text(counters) + process_metrics_text(process);
}

}  // namespace pgcertd::status
