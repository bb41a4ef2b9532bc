#include "status/json.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/text.hpp"
#include "core/client_certificates.hpp"
#include "status/view.hpp"

namespace pgcertd::status {
namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t text_limit = 4096;   // PATH_MAX

json text(std::string_view hostile) { return printable(hostile, text_limit); }
json text_or_null(std::string_view hostile) { return hostile.empty() ? json(nullptr) : text(hostile); }
json time(TimePoint at) { return at == TimePoint{} ? json(nullptr) : json(to_rfc3339(at)); }
json time(const std::optional<TimePoint>& at) { return at ? time(*at) : json(nullptr); }

std::string dump(const json& value) { return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n"; }

template <class Range, class Make>
json list(const Range& range, Make make) {
  json out = json::array();
  for (const auto& item : range) out.push_back(make(item));
  return out;
}

json problem(const StandingProblem& p) {
  return {{"code", to_string(p.finding.code)}, {"severity", to_string(p.finding.severity)}, {"since", time(p.since)},
          {"object", text_or_null(p.finding.object)}, {"message", text(p.finding.message)}, {"remedy", text(p.finding.remedy)}};
}

// The daemon's own, those of its issuers, and of its listener's certificate.
std::vector<StandingProblem> overall_problems(const Snapshot& snapshot) {
  std::vector<StandingProblem> out = snapshot.problems;
  if (snapshot.listener) out.insert(out.end(), snapshot.listener->problems.begin(), snapshot.listener->problems.end());
  for (const IssuerView& view : snapshot.issuers) out.insert(out.end(), view.problems.begin(), view.problems.end());
  return out;
}

json server(const PostgresSeen& s) {
  const bool known = s.known;
  return {{"reachable", s.reachable()},
          {"version", text_or_null(s.version)},
          {"data_directory", text_or_null(s.data_directory)},
          {"ssl", known ? json(s.ssl_on()) : json(nullptr)},
          {"pending_restart", known ? json(pending_restart(s)) : json(nullptr)}};
}

json certificate(const std::optional<CertificateView>& view) {
  if (!view) return nullptr;
  const CertFacts& leaf = view->leaf;
  return {{"path", text(view->path)},
          {"serial", text(leaf.serial)},
          {"fingerprint_sha256", text(leaf.fingerprint_sha256)},
          {"subject", text(leaf.subject)},
          {"issuer", text(leaf.issuer)},
          {"names", list(all_names(leaf.names), [](const std::string& n) { return text(n); })},
          {"not_before", time(leaf.not_before)},
          {"not_after", time(leaf.not_after)},
          {"key_type", text_or_null(leaf.key_name.empty() ? to_string(leaf.key_type) : std::string_view(leaf.key_name))},
          {"renew_at", time(view->renew_at)}};
}

json served(const ServedView& view) {
  const ProbeSeen& probe = view.probe;
  const CertFacts* leaf = probe.chain.empty() ? nullptr : &probe.chain.front();
  return {{"endpoint", text(probe.endpoint)},
          {"probed_at", time(probe.probed_at)},
          {"serial", leaf ? text(leaf->serial) : json(nullptr)},
          {"fingerprint_sha256", leaf ? text(leaf->fingerprint_sha256) : json(nullptr)},
          {"not_after", leaf ? time(leaf->not_after) : json(nullptr)},
          {"tls_version", text_or_null(probe.tls_version)},
          {"matches_file", leaf ? json(view.matches_file) : json(nullptr)},
          {"verify", text_or_null(view.verify.empty() ? probe.detail : view.verify)}};
}

json rotation(const ClusterView& c) {
  const ClusterMemory& m = c.memory;
  return {{"stage", to_string(c.stage)},
          {"need", to_string(c.need)},
          {"paused_until", m.pause ? time(m.pause->until) : json(nullptr)},
          {"generation", c.generation},
          {"last_success_at", time(m.last_success_at)},
          {"last_error", m.last_failure ? text(m.last_failure->message) : json(nullptr)},
          {"next_at", time(c.next_at)}};
}

json permission(const FileJudgement& f) {
  return {{"path", text(f.path)},         {"setting", text_or_null(f.setting)}, {"actual", text(f.actual)},
          {"expected", text(f.expected)}, {"verdict", to_string(f.verdict)},    {"repaired_by_pgcertd", f.ours && !f.setting.empty()},
          {"remedy", text_or_null(f.remedy)}};
}

json sessions(const std::optional<std::vector<SessionGroup>>& groups) {
  if (!groups) return nullptr;
  std::uint64_t all = 0, tls = 0, plaintext = 0, socket = 0, old = 0;
  json versions = json::object();
  for (const SessionGroup& g : *groups) {
    all += g.count;
    if (!g.tcp) socket += g.count;
    else if (g.tls_version.empty()) plaintext += g.count;
    if (g.tls_version.empty()) continue;
    tls += g.count, old += g.before_rotation;
    const std::string version = printable(g.tls_version, 20);
    versions[version] = versions.value(version, std::uint64_t{0}) + g.count;
  }
  return {{"total", all}, {"tls", tls}, {"plaintext_tcp", plaintext}, {"unix_socket", socket}, {"tls_versions", std::move(versions)}, {"older_than_rotation", old}};
}

json runway(const Runway& r) {
  return {{"ends_at", time(r.ends_at)},
          {"needed_at", time(r.needed_at)},
          {"limited_by", r.ends_at ? json(to_string(r.limited_by)) : json(nullptr)}};
}

json installed_crls(const ClusterView& c) {
  json out = json::array();
  if (!c.crl_set) return out;
  for (const InstalledCrl& crl : c.crl_set->crls)
    out.push_back({{"path", text(crl.path.empty() ? c.crl_set->path : crl.path)},
                   {"issuer", text(crl.facts.issuer)},
                   {"number", text_or_null(crl.facts.number)},
                   {"this_update", time(crl.facts.this_update)},
                   {"next_update", time(crl.facts.next_update)},
                   {"revoked", crl.facts.revoked}});
  return out;
}

json cluster(const ClusterView& c) {
  return {{"name", text(c.name)},
          {"status", to_string(c.status)},
          {"server", server(c.server)},
          {"certificate", certificate(c.certificate)},
          {"served", list(c.served, served)},
          {"crl", installed_crls(c)},
          {"rotation", rotation(c)},
          {"runway", runway(c.runway)},
          {"permissions", list(c.permissions, permission)},
          {"sessions", sessions(c.sessions)},
          {"problems", list(c.problems, problem)}};
}

json issuer_crl(const std::optional<CrlFacts>& crl) {
  if (!crl) return nullptr;
  return {{"number", text_or_null(crl->number)}, {"next_update", time(crl->next_update)}, {"revoked", crl->revoked}};
}

// Of clusters, and the issuing CA's own, which is no cluster's.
json requests(const std::vector<PendingSeen>& clusters, const std::vector<RequestSeen>& issuer) {
  const auto row = [](const std::string& spki, const json& cluster, TimePoint since) -> json { return {{"spki_sha256", text(spki)}, {"cluster", cluster}, {"since", time(since)}}; };
  json out = json::array();
  for (const PendingSeen& p : clusters) out.push_back(row(p.spki_sha256, text(p.cluster), p.created));
  for (const RequestSeen& r : issuer)
    if (r.cluster.empty()) out.push_back(row(r.spki_sha256, nullptr, r.since));
  return out;
}

json client_certificates(const IssuerSeen& seen, TimePoint now) {
  const std::vector<ClientState> states = states_of(seen.clients, now);
  json out = json::array();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const ClientCertSeen& c = seen.clients[i];
    out.push_back({{"role", text(c.role)}, {"serial", text(c.serial)}, {"not_before", time(c.not_before)}, {"not_after", time(c.not_after)}, {"revoked", c.revoked}, {"state", to_string(states[i])}});
  }
  return out;
}

json issuer(const Snapshot& snapshot, const IssuerView& view) {
  const IssuerSeen& seen = view.seen;
  json ca = nullptr, root = nullptr;
  if (seen.issuing)
    ca = {{"not_before", time(seen.issuing->not_before)},
          {"not_after", time(seen.issuing->not_after)},
          {"renew_at", time(view.renew_at)}};
  if (seen.root)
    root = {{"fingerprint_sha256", text(seen.root->fingerprint_sha256)}, {"not_after", time(seen.root->not_after)}};
  return {{"name", text(seen.name)},
          {"type", type_name(view.type)},
          {"key_available", seen.key_available},
          {"certificate", std::move(ca)},
          {"root", std::move(root)},
          {"crl", issuer_crl(seen.crl)},
          {"root_crl", issuer_crl(seen.root_crl)},
          {"pending_requests", requests(pending_of(snapshot, view), seen.requests)},
          {"client_certificates", client_certificates(seen, snapshot.generated_at)}};
}

json listener(const std::optional<ListenerView>& view) {
  if (!view) return nullptr;
  return {{"issuer", text(view->issuer)},
          {"client_certificates", view->client_certificates},
          {"certificate", certificate(view->certificate)},
          {"served", list(view->served, served)}};
}

json proved(const Proved& p) {
  return {{"generation", text(p.generation)}, {"fingerprint_sha256", text(p.fingerprint_sha256)}, {"at", time(p.at)}};
}

json failure(const std::optional<Failure>& f) {
  if (!f) return nullptr;
  return {{"at", time(f->at)}, {"stage", text(f->stage)}, {"message", text(f->message)}, {"remedy", text(f->remedy)},
          {"rolled_back", f->rolled_back}};
}

json rotation_history(const ClusterView& c) {
  const ClusterMemory& m = c.memory;
  json out{{"cluster", text(c.name)}};
  out.update(rotation(c));
  out.update(
      {{"generation_id", text_or_null(c.generation_id)},
       {"next_step", text_or_null(c.next_step)},
       {"reasons", list(c.reasons, [](const std::string& r) { return text(r); })},
       {"last_attempt_at", time(m.last_attempt_at)},
       {"last_duration_seconds",
        m.last_rotation_took ? json(static_cast<double>(m.last_rotation_took->count()) / 1000) : json(nullptr)},
       {"stages", list(m.stages_passed, [](const StagePassed& s) -> json { return {{"stage", text(s.stage)}, {"at", time(s.at)}}; })},
       {"retry_at", time(m.retry_at)},
       {"consecutive_failures", m.consecutive_failures},
       {"last_failure", failure(m.last_failure)},
       {"proved", list(m.proved, proved)},
       {"totals", {{"success", m.rotations_proved}, {"failure", m.rotations_failed}, {"rolled_back", m.rotations_rolled_back}}}});
  return out;
}

json event(const Event& e) {
  json fields = json::object();
  for (const auto& [key, value] : e.fields) fields[printable(key)] = text(value);
  return {{"id", e.id},           {"at", time(e.at)},           {"cluster", text_or_null(e.cluster)},
          {"kind", text(e.kind)}, {"message", text(e.message)}, {"fields", std::move(fields)}};
}

json part(const Snapshot& snapshot, const char* name, json items) {
  return {{"schema", 1}, {"generated_at", time(snapshot.generated_at)}, {name, std::move(items)}};
}

}  // namespace

std::string status_json(const Snapshot& snapshot, const BuildInfo& build) {
  return dump({{"schema", 1},
               {"version", text(build.version)},
               {"generated_at", time(snapshot.generated_at)},
               {"status", to_string(snapshot.status)},
               {"clusters", list(snapshot.clusters, cluster)},
               {"issuers", list(snapshot.issuers, [&](const IssuerView& view) { return issuer(snapshot, view); })},
               {"http", listener(snapshot.listener)},
               {"problems", list(overall_problems(snapshot), problem)},
               {"chain_head", snapshot.chain_head.event == 0 ? json(nullptr) : json{{"id", snapshot.chain_head.event}, {"hash", text(snapshot.chain_head.hash)}, {"at", time(snapshot.chain_head.at)}}}});
}

std::string clusters_json(const Snapshot& snapshot) { return dump(part(snapshot, "clusters", list(snapshot.clusters, cluster))); }

std::optional<std::string> cluster_json(const Snapshot& snapshot, const std::string& name) {
  const ClusterView* view = snapshot.cluster(name);
  if (!view) return std::nullopt;
  return dump(part(snapshot, "cluster", cluster(*view)));
}

std::string rotations_json(const Snapshot& snapshot) {
  return dump(part(snapshot, "rotations", list(snapshot.clusters, rotation_history)));
}

std::string runway_json(const Snapshot& snapshot) {
  const auto row = [](const ClusterView& c) {
    json out{{"cluster", text(c.name)}};
    out.update(runway(c.runway));
    return out;
  };
  json out = part(snapshot, "runway", list(snapshot.clusters, row));
  out["visits"] = list(visits_of(snapshot), [](const Visit& v) -> json { return {{"from", time(v.from)}, {"until", time(v.until)}, {"what", list(v.what, [](const std::string& w) { return text(w); })}}; });
  out["dates"] = list(dates_of(snapshot), [](const RootDate& d) -> json { return {{"at", time(d.at)}, {"what", text(d.what)}}; });
  return dump(out);
}

std::string events_json(const std::vector<Event>& events) {
  // One by one: a thousand of them as one tree would take some megabytes in each thread that answers.
  std::string out = "{\n  \"schema\": 1,\n  \"events\": [";
  for (const Event& one : events) {
    if (&one != &events.front()) out += ",";
    out += "\n    " + event(one).dump(-1, ' ', false, json::error_handler_t::replace);
  }
  return out + fmt::format("{}],\n  \"next\": {}\n}}\n", events.empty() ? "" : "\n  ", events.empty() ? "null" : std::to_string(events.back().id));
}

std::string plan_json(const Plan& plan) {
  const auto found = [](const Finding& f) -> json {
    return {{"code", to_string(f.code)}, {"severity", to_string(f.severity)}, {"object", text_or_null(f.object)},
            {"message", text(f.message)}, {"remedy", text(f.remedy)}};
  };
  json step = nullptr;
  if (plan.action)
    step = {{"name", name(*plan.action)}, {"track", to_string(track(*plan.action))}, {"description", text(describe(*plan.action))}};
  return dump({{"schema", 1},
               {"need", to_string(plan.need)},
               {"stage", to_string(plan.stage)},
               {"action", std::move(step)},
               {"reasons", list(plan.reasons, [](const std::string& r) { return text(r); })},
               {"findings", list(plan.findings, found)},
               {"wake_at", time(plan.wake_at)},
               {"renew_at", time(plan.renew_at)},
               {"at_rest", plan.at_rest}});
}

std::string problem_json(int http_status, std::string_view title, std::string_view detail) {
  return dump({{"type", "about:blank"}, {"title", text(title)}, {"status", http_status}, {"detail", text_or_null(detail)}});
}

}  // namespace pgcertd::status
