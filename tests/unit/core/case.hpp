// Case: an observation of a healthy managed cluster, to be bent by each test into what it is about.
#pragma once

#include <functional>
#include <string>

#include "core/plan.hpp"

namespace pgcertd::testing {

using namespace std::chrono_literals;

inline const TimePoint t0 = from_unix(1'767'225'600);   // 2026-01-01

inline CertFacts leaf(const std::string& fingerprint, TimePoint issued = t0) {
  CertFacts f;
  f.subject = "CN=db1.example.org", f.serial = "40" + fingerprint, f.fingerprint_sha256 = fingerprint, f.spki_sha256 = "spki-" + fingerprint;
  f.authority_key_id = "aa", f.names = {{"db1.example.org"}, {}};
  f.not_before = issued - 1h, f.not_after = issued + days{90}, f.key_type = KeyType::ecdsa_p256, f.key_name = "ecdsa-p256";
  return f;
}

inline GenerationSeen generation(const std::string& id, std::uint64_t number, const CertFacts& facts) {
  GenerationSeen g;
  g.id = id, g.number = number, g.created = t0, g.complete = true, g.chain = {facts}, g.key_spki_sha256 = facts.spki_sha256;
  g.files = {{"/s/clusters/main/generations/" + id + "/server.crt", FileSeen::Kind::regular, 1, 26, 0644, 100, 1},
             {"/s/clusters/main/generations/" + id + "/server.key", FileSeen::Kind::regular, 26, 26, 0600, 100, 1}};
  return g;
}

inline LeafJudgement good() {
  LeafJudgement j;
  j.loads = j.key_read = j.key_matches = j.chain_ok = true;
  j.chain_not_after = t0 + days{90};
  return j;
}

inline ProbeSeen served(const CertFacts& facts) {
  ProbeSeen p;
  p.endpoint = "127.0.0.1:5432", p.outcome = ProbeOutcome::served, p.chain = {facts}, p.verify = "ok";
  return p;
}

inline ProbeSeen refused_tls() {
  ProbeSeen p;
  p.endpoint = "127.0.0.1:5432", p.outcome = ProbeOutcome::ssl_refused;
  return p;
}

struct Case {
  Desired desired;
  Observation seen;
  TimePoint now = t0 + days{1};

  Case() {
    desired.cluster.name = "main", desired.cluster.issuer = "local", desired.names = {{"db1.example.org"}, {}}, desired.cluster.names = desired.names;
    desired.check_interval = 60s, desired.runway_warning = days{60}, desired.runway_critical = days{14}, desired.own_uid = 998;
    PostgresSeen& server = seen.server;
    server.fault = ServerFault::none, server.known = true, server.server_uid = 26, server.server_gid = 26, server.system_identifier = "1";
    server.privileges = {true, true, true, true, false};
    server.settings["ssl"] = {"on", "configuration file", "", 0, false};
    server.settings["ssl_cert_file"] = {"/s/clusters/main/current/server.crt", "", "", 0, false};
    server.settings["ssl_key_file"] = {"/s/clusters/main/current/server.key", "", "", 0, false};
    seen.generations.directory = "/s/clusters/main";
    seen.generations.all = {generation("g1", 1, leaf("f1"))};
    seen.generations.current = "g1";
    seen.live.cert_path = "/s/clusters/main/current/server.crt", seen.live.ours = seen.live.readable = true, seen.live.chain = {leaf("f1")}, seen.live.judgement = good();
    seen.current = good();
    seen.issuer.name = "local", seen.issuer.available = seen.issuer.key_available = true;
    seen.issuer.issuing = CertFacts{}, seen.issuer.issuing->subject_key_id = "aa", seen.issuer.issuing->not_before = t0 - days{30}, seen.issuer.issuing->not_after = t0 + days{700};
    seen.issuer.root = seen.issuer.issuing, seen.issuer.root->not_after = t0 + days{5000};
    seen.probes = {served(leaf("f1"))};
    seen.memory.proved = {{"g1", "f1", t0}};
    seen.memory.generation_number = 1;
  }

  GenerationSeen& current() { return seen.generations.all.front(); }
  // A second generation that was just published and is not proved yet; the server still serves the first.
  void publish_second(std::uint32_t reloads = 0, Duration ago = 0ms) {
    seen.generations.all.push_back(generation("g2", 2, leaf("f2", now)));
    seen.generations.current = "g2", seen.generations.way_back = "g1";
    seen.memory.publish = PublishAttempt{"g2", "g1", now - ago, reloads, std::nullopt, std::nullopt};
    if (reloads > 0) seen.memory.publish->first_reload_at = seen.memory.publish->last_reload_at = now - ago;
    seen.current->chain_not_after = now + days{90};
  }
  void tls_off() {
    seen.server.settings["ssl"].value = "off";
    seen.server.settings["ssl_cert_file"].value = "server.crt";
    seen.live = LiveSet{};
    seen.probes = {refused_tls()};
  }
  void first_contact() {
    tls_off();
    seen.generations.all.clear(), seen.generations.current.clear();
    seen.current.reset(), seen.memory = {};
  }
  // Somebody else's working certificate.
  void foreign() {
    first_contact();
    seen.server.settings["ssl"].value = "on";
    seen.live.cert_path = "/etc/pki/db.crt", seen.live.readable = true, seen.live.chain = {leaf("ff")}, seen.live.chain.front().authority_key_id = "bb";
    seen.live.judgement = good(), seen.live.judgement.chain_ok = false;
    seen.probes = {served(seen.live.chain.front())};
  }
  // To the replacement of what is in place.
  void consent() { seen.memory.takeover = TakeoverGrant{pair_in_place(seen.live), t0}; }
  [[nodiscard]] Plan plan() const { return pgcertd::plan(desired, seen, now); }
  [[nodiscard]] std::string step() const {
    const Plan p = plan();
    return p.action ? std::string{name(*p.action)} : "rest";
  }
  [[nodiscard]] bool has(ProblemCode code) const { return severity(code).has_value(); }
  [[nodiscard]] std::optional<Severity> severity(ProblemCode code) const {
    for (const Finding& f : plan().findings)
      if (f.code == code) return f.severity;
    return std::nullopt;
  }
};

using Bend = std::function<void(Case&)>;
inline Case with(Case c, const Bend& bend) {
  bend(c);
  return c;
}

}  // namespace pgcertd::testing
