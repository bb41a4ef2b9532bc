// Snapshots to render and to serve: a healthy host, and one on which much is wrong. Values only.
#pragma once

#include <string>
#include <utility>

#include "core/snapshot.hpp"

namespace pgcertd::sample {

inline constexpr TimePoint now = from_unix(1767225600);   // 2026-01-01T00:00:00Z
using std::chrono::seconds;

inline std::string repeated(std::string_view piece, std::size_t times) {
  std::string out;
  while (times-- > 0) out += piece;
  return out;
}

inline CertFacts cert(std::string subject, std::string issuer, char digit, TimePoint from, TimePoint to) {
  CertFacts c;
  c.subject = std::move(subject);
  c.issuer = std::move(issuer);
  c.serial = repeated(std::string(1, digit) + "e", 16);
  c.fingerprint_sha256 = repeated(std::string(1, digit) + "a", 32);
  c.spki_sha256 = repeated(std::string(1, digit) + "b", 32);
  c.not_before = from;
  c.not_after = to;
  c.key_type = KeyType::ecdsa_p256;
  c.key_name = "ecdsa-p256";
  c.signature_algorithm = "ecdsa-with-SHA256";
  c.signature_digest = "sha256";
  c.server_auth = true;
  return c;
}

inline CrlFacts crl(std::string issuer, std::string number, TimePoint from, TimePoint to) {
  CrlFacts c;
  c.issuer = std::move(issuer);
  c.number = std::move(number);
  c.this_update = from;
  c.next_update = to;
  c.revoked = 2;
  return c;
}

inline IssuerView issuer() {
  IssuerView view;
  view.seen.name = "local";
  view.seen.available = view.seen.key_available = true;
  view.seen.root = cert("CN=Example Root CA,O=Example", "CN=Example Root CA,O=Example", '1', now - days{400}, now + days{7000});
  view.seen.issuing =
      cert("CN=Example Issuing CA,O=Example", "CN=Example Root CA,O=Example", '2', now - days{200}, now + days{1500});
  view.seen.crl = crl("CN=Example Issuing CA,O=Example", "41", now - hours{5}, now + days{30});
  view.seen.root_crl = crl("CN=Example Root CA,O=Example", "3", now - days{100}, now + days{265});
  view.seen.issued = 12;
  view.seen.clients = {{"app", "4d", now - days{10}, now + days{80}, false}, {"app", "4c", now - days{80}, now + days{10}, false}, {"report", "4b", now - days{1}, now + days{89}, true}};
  view.seen.revoked = 2;
  view.seen.issued_by_profile = {{"server", 9}, {"client", 3}};
  view.seen.revoked_by_reason = {{"keyCompromise", 1}, {"superseded", 1}};
  view.renew_at = now + days{650};
  return view;
}

inline PostgresSeen server() {
  PostgresSeen s;
  s.fault = ServerFault::none;
  s.known = true;
  s.version_num = 150018;
  s.version = "15.18";
  s.system_identifier = "7300000000000000000";
  s.data_directory = "/var/lib/postgresql/15/main";
  s.settings["ssl"] = {.value = "on", .source = "configuration file", .sourcefile = "/etc/postgresql/15/main/conf.d/pgcertd.conf",
                       .sourceline = 1, .pending_restart = false};
  s.postmaster_start = now - days{12};
  s.config_loaded = now - days{31};
  s.server_user = "postgres";
  s.server_uid = 113;
  s.server_gid = 120;
  return s;
}

inline ServedView served(std::string endpoint, const CertFacts& leaf, bool same) {
  ServedView view;
  view.probe.endpoint = std::move(endpoint);
  view.probe.probed_at = now - seconds{20};
  view.probe.took = Duration{7};
  view.probe.outcome = ProbeOutcome::served;
  view.probe.chain = {leaf, issuer().seen.issuing.value()};
  view.probe.tls_version = "TLSv1.3";
  view.probe.cipher = "TLS_AES_256_GCM_SHA384";
  view.matches_file = same;
  view.verify = "ok";
  return view;
}

inline FileSeen file(std::string_view name, mode_t mode) {
  FileSeen f;
  f.path = "/var/lib/pgcertd/clusters/main/generations/20251201T000000Z-3f9a41c2/" + std::string(name);
  f.kind = FileSeen::Kind::regular;
  f.uid = 113;
  f.gid = 120;
  f.mode = mode;
  f.size = 1200;
  return f;
}

inline CertificateView certificate(const CertFacts& leaf) {
  CertificateView view;
  view.path = "/var/lib/pgcertd/clusters/main/current/server.crt";
  view.leaf = leaf;
  view.chain = {leaf, issuer().seen.issuing.value()};
  view.chain_not_after = leaf.not_after;
  view.renew_at = leaf.not_before + (leaf.not_after - leaf.not_before) * 2 / 3;
  view.judgement.loads = view.judgement.key_matches = view.judgement.chain_ok = true;
  view.judgement.chain_not_after = leaf.not_after;
  return view;
}

inline ClusterView cluster(std::string name) {
  ClusterView c;
  CertFacts leaf = cert("CN=db1.example.org", "CN=Example Issuing CA,O=Example", '7', now - days{31}, now + days{59});
  leaf.names = {.dns = {"db1.example.org", "db.example.org"}, .ip = {"10.0.0.5"}};
  c.name = std::move(name);
  c.issuer = "local";
  c.status = Severity::ok;
  c.server = server();
  c.certificate = certificate(leaf);
  c.served = {served("127.0.0.1:5432", leaf, true), served("[::1]:5432", leaf, true)};
  c.stage = Stage::proved;
  c.next_step = "wait for the renewal time";
  c.next_at = now + seconds{40};
  c.generation = 7;
  c.generation_id = "20251201T000000Z-3f9a41c2";
  c.files = {file("server.crt", 0644), file("server.key", 0600), file("root.crt", 0644), file("root.crl", 0644)};
  c.identity = {.uid = 113, .gid = 120, .groups = {}};
  c.permissions = {{c.files[1].path, "ssl_key_file", c.files[1], true, "0600 113:120", "0600 at most, the server user's", FileVerdict::ok, ""},
                   {"/etc/pki/ca.crt", "ssl_ca_file", file("ca.crt", 0600), false, "0600 0:0", "a regular file that the server's user can read", FileVerdict::unreadable, "chmod a+r /etc/pki/ca.crt"}};
  c.sessions = {{true, false, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 12, 3, now - days{40}}, {true, false, "", "", 2, 0, now - days{1}}, {false, false, "", "", 1, 0, now - days{1}}};
  c.client_certificate_sessions = 5;
  c.runway = {.ends_at = now + days{265}, .needed_at = now + days{200}, .limited_by = RunwayLimit::root_crl};
  c.memory.rotations_proved = 7;
  c.memory.reloads = {{"sql applied", 7}};
  c.memory.last_attempt_at = now - days{31};
  c.memory.last_success_at = now - days{31} + seconds{1};
  for (const char* stage : {"keygen", "sign", "stage", "install", "reload", "verify"})
    c.memory.stages_passed.push_back({stage, now - days{31} + Duration{200} * static_cast<int>(c.memory.stages_passed.size())});
  for (int i = 0; i < 7; ++i) c.memory.count_rotation(Duration{1240});
  c.memory.proved = {{"20251201T000000Z-3f9a41c2", leaf.fingerprint_sha256, now - days{31}}};
  c.seen_at = now - seconds{20};
  return c;
}

inline Snapshot healthy() {
  Snapshot s;
  s.version = 42;
  s.generated_at = now - seconds{15};
  s.status = Severity::ok;
  s.first_pass_done = true;
  s.config_loaded_at = now - days{12};
  s.clusters = {cluster("main")};
  s.chain_head = {91, repeated("c4", 32), now - hours{2}};
  s.issuers = {issuer()};
  s.tasks = {{"cluster:main", now - seconds{20}, minutes{1}, 0}, {"issuer:local", now - seconds{50}, minutes{1}, 0}};
  return s;
}

inline StandingProblem problem(ProblemCode code, std::string message, std::string remedy, std::string object, Duration ago) {
  return {finding(code, std::move(message), std::move(remedy), std::move(object)), now - ago};
}

// The HTTP listener's own certificate: another one is served than the file holds.
inline ListenerView listener() {
  ListenerView l;
  l.issuer = "local";
  l.certificate = cluster("http").certificate;
  l.certificate->path = "/var/lib/pgcertd/http/listener.pem";
  l.served = {served("127.0.0.1:9847", cert("CN=localhost", "CN=Example Issuing CA,O=Example", '5', now - days{60}, now + days{30}), false)};
  l.problems = {{{ProblemCode::served_stale, Severity::warning, "http", "the HTTP listener: 127.0.0.1:9847 shows serial 5e5e5e5e, not the one in the file", "systemctl restart pgcertd"}, now - minutes{5}}};
  return l;
}

// Served is not what the file says, a CRL is past, a key is open, and a second cluster is down with an expired leaf.
inline Snapshot critical() {
  Snapshot s = healthy();
  s.status = Severity::critical;
  ClusterView& main = s.clusters.front();
  main.status = Severity::critical;
  const CertFacts old = cert("CN=db1.example.org", "CN=Example Issuing CA,O=Example", '6', now - days{89}, now + days{1});
  main.served = {served("127.0.0.1:5432", old, false)};
  main.files[1].mode = 0644;
  main.revoked_sessions = 1;
  main.memory.repairs_ever = {{"server.key", 2}};
  main.memory.foreign_changes = {{"server.crt", 1}};
  main.stage = Stage::published;
  main.next_step = "reload once more";
  main.memory.reloads["sql not_applied"] = 1;
  main.memory.consecutive_failures = 2;
  main.memory.retry_at = now + minutes{4};
  main.memory.last_failure = {"verify", "127.0.0.1:5432 still serves 6e6e6e6e after two reloads", "look into PostgreSQL's log",
                              true, now - minutes{3}};
  main.problems = {problem(ProblemCode::served_stale, "127.0.0.1:5432 serves serial 6e6e6e6e, the file holds 7e7e7e7e",
                           "pgcertctl rotate main --wait", "127.0.0.1:5432", minutes{34}),
                   problem(ProblemCode::served_stale, "[::1]:5432 serves serial 6e6e6e6e, the file holds 7e7e7e7e",
                           "pgcertctl rotate main --wait", "[::1]:5432", minutes{34}),
                   problem(ProblemCode::key_exposed, "server.key was readable by others (mode 0644)",
                           "pgcertctl rotate main --force", "server.key", hours{2}),
                   problem(ProblemCode::hba_plaintext, "pg_hba.conf line 97 lets 10.0.0.0/8 in without TLS",
                           "change host to hostssl in line 97", "97", days{3})};
  ClusterView down = cluster("reporting");
  down.status = Severity::critical;
  down.server.fault = ServerFault::down;
  down.certificate->leaf.not_before = now - days{95};
  down.certificate->leaf.not_after = now - days{5};
  down.certificate->renew_at = now - days{35};
  down.served.clear();
  down.memory.pause = Pause{now + hours{2}, "migration <b>tonight</b>"};
  down.pending = {{"reporting", repeated("c0", 32), "", now - days{9}, KeyType::ecdsa_p256, {}}};
  down.problems = {
      problem(ProblemCode::cert_expired, "the certificate ended 2025-12-27", "pgcertctl rotate reporting --wait", "", days{5})};
  s.clusters.push_back(std::move(down));
  s.issuers.front().seen.crl->this_update = now - days{32};
  s.issuers.front().seen.crl->next_update = now - days{2};
  s.issuers.front().problems = {
      problem(ProblemCode::crl_expired, "the CRL of local ended 2025-12-30", "pgcertctl crl refresh", "local", days{2})};
  s.problems = {problem(ProblemCode::clock_jump, "the clock jumped by 3h; nothing is issued until it is stable",
                        "check the time service", "", minutes{2})};
  s.listener = listener();
  s.tasks.push_back({"cluster:reporting", now - minutes{1}, minutes{1}, 4});
  return s;
}

// Every text that a stranger may choose, at its worst: markup, quotes, controls, bidi, broken UTF-8, 4 KB.
inline std::string hostile_text() {
  return "\"><script>alert(1)</script>'&\n\xE2\x80\xAEgnp.exe\xff\xc0\x80{\\\"}" + repeated("A<", 2048);
}

inline Snapshot hostile() {
  Snapshot s = critical();
  const std::string bad = hostile_text();
  for (ClusterView& c : s.clusters) {
    CertFacts& leaf = c.certificate->leaf;
    leaf.subject = leaf.issuer = leaf.common_name = leaf.key_name = leaf.serial = bad;
    leaf.names = {.dns = {bad}, .ip = {bad}};
    c.certificate->path = c.server.version = c.server.data_directory = c.server.fault_text = c.server.server_user = bad;
    c.next_step = c.generation_id = bad;
    c.reasons = {bad};
    c.memory.last_failure = {bad, bad, bad, false, now};
    c.memory.pause = Pause{now + hours{1}, bad};
    c.files.push_back(file(bad, 0600));
    for (ServedView& v : c.served) v.probe.endpoint = v.probe.detail = v.probe.tls_version = v.probe.cipher = v.verify = bad;
    for (StandingProblem& p : c.problems) p.finding.message = p.finding.remedy = p.finding.object = bad;
  }
  CertFacts& own = s.listener->certificate->leaf;
  own.subject = own.issuer = own.serial = own.key_name = bad;
  IssuerSeen& seen = s.issuers.front().seen;
  seen.available = false;
  seen.why = seen.remedy = seen.root->subject = seen.issuing->subject = seen.crl->number = seen.root->fingerprint_sha256 = bad;
  s.tasks.push_back({bad, now, minutes{1}, 1});
  return s;
}

}  // namespace pgcertd::sample
