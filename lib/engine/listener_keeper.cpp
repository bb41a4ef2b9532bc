#include "engine/listener_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "engine/leaf_judge.hpp"
#include "engine/view.hpp"
#include "x509/private_key.hpp"
#include "x509/signed_request.hpp"
#include "x509/sign.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

using namespace std::chrono_literals;

// Each certificate that would not do costs the issuer a serial.
constexpr Duration pause_after_refusal = 10min;
// The answer itself wakes whoever waits for one: without a pause, a CA that cannot sign would be asked as fast as it can say so.
constexpr Duration pause_after_failure = 1min;
constexpr Duration stand_in_life = std::chrono::days{90};

const std::string own_name{listener_name};

GenerationSeen generation_of(const std::vector<x509::Certificate>& chain, const LeafJudgement& judgement) {
  GenerationSeen seen;
  seen.id = listener_pair;
  seen.complete = true;
  for (const x509::Certificate& certificate : chain) seen.chain.push_back(certificate.facts());
  if (judgement.key_read) seen.key_spki_sha256 = judgement.key_matches ? seen.chain.front().spki_sha256 : "another";
  return seen;
}

// As if it were a cluster's only generation: what is wanted of it is decided by the same rules.
void put(Observation& seen, const std::string& chain_pem, const Secret& key_pem, const Names& names, TimePoint now) {
  seen.generations.all.clear();
  seen.generations.current = listener_pair;
  seen.current.reset();
  const auto chain = x509::parse_certificates(chain_pem, "listener.pem");
  if (!chain) return;
  seen.current = judge_leaf(chain_pem, key_pem, {seen.issuer.root_pem, seen.issuer.issuing_pem, seen.issuer.crl_pem}, names, now);
  seen.generations.all.push_back(generation_of(*chain, *seen.current));
}

Finding state_fault(const Error& error) {
  Finding found = finding(ProblemCode::state_unwritable, "the HTTP listener: " + printable(error.text(), 1000), error.remedy, "http");
  found.severity = Severity::warning;
  return found;
}

}  // namespace

struct ListenerKeeper::Look {
  Observation seen;
  std::optional<ports::OwnPair::Pair> pair;
  std::vector<Event> events;
  bool failed = false;

  [[nodiscard]] const CertFacts* leaf() const {
    const GenerationSeen* live = seen.generations.live();
    return live == nullptr || live->chain.empty() ? nullptr : &live->chain.front();
  }
  void fault(const Error& error) {
    failed = true;
    seen.faults.push_back(state_fault(error));
  }
  void say(TimePoint now, std::string kind, std::string message, std::map<std::string, std::string> fields) {
    events.push_back({0, now, {}, std::move(kind), std::move(message), std::move(fields)});
  }
};

Result<void> ListenerKeeper::begin(TimePoint now) {
  PGCERTD_TRY(const auto pair, ports_.pair.read());
  if (pair && ports_.serve(pair->chain_pem, pair->key_pem)) return {};
  PGCERTD_TRY(const auto key, x509::PrivateKey::generate(KeyType::ecdsa_p256));
  PGCERTD_TRY(const std::string serial, x509::new_serial());
  PGCERTD_TRY(const auto leaf, x509::make_self_signed(key, {.serial = serial, .names = desired_.names, .validity = x509::leaf_validity(now, stand_in_life, {}), .crl_url = {}}));
  return ports_.serve(leaf.pem(), key.to_pem());
}

ListenerKeeper::Look ListenerKeeper::look(ports::Issuer& issuer, TimePoint now) {
  Look at;
  at.seen.clock_doubt = ports_.clock_doubt(std::nullopt);
  at.seen.issuer = issuer.observe(now);
  auto pair = ports_.pair.read();
  if (!pair) {
    at.fault(pair.error());
    at.seen.blind = true;
    return at;
  }
  at.pair = std::move(*pair);
  at.seen.generations.current = listener_pair;
  if (at.pair) put(at.seen, at.pair->chain_pem, at.pair->key_pem, desired_.names, now);
  return at;
}

// One key at a time: those made for other names are of no use any more.
Result<PendingSeen> ListenerKeeper::waiting_key(TimePoint now) {
  PGCERTD_TRY(const auto pending, ports_.pending.list(own_name));
  std::optional<PendingSeen> found;
  for (const PendingSeen& one : pending) {
    if (!found && one.names == desired_.names) found = one;
    else PGCERTD_CHECK(ports_.pending.remove(one.spki_sha256));
  }
  if (found) return std::move(*found);
  PGCERTD_TRY(const ports::NewKey made, ports_.keys.make(desired_.cluster.key_type, desired_.names));
  PendingSeen fresh{own_name, made.spki_sha256, made.request_pem, now, desired_.cluster.key_type, desired_.names};
  PGCERTD_CHECK(ports_.pending.put(fresh, made.key_pem));
  return fresh;
}

bool ListenerKeeper::pauses(const Look& at, TimePoint now) {
  if (!pause_ || now >= pause_->until || pause_->until - now > pause_after_refusal) return false;   // the last: the clock was set back
  const bool can_sign = at.seen.issuer.available, healed = can_sign && !pause_->could_sign && !pause_->final;
  pause_->could_sign = can_sign;
  return !healed;
}

void ListenerKeeper::renew(Look& at, ports::Issuer& issuer, TimePoint now) {
  if (pauses(at, now)) return;
  const NeedOf need = need_of(desired_, at.seen, now);
  const auto waiting = waiting_key(now);
  if (!waiting) return at.fault(waiting.error());
  LeafRequest request{own_name, waiting->spki_sha256, waiting->request_pem, desired_.names, desired_.cluster.lifetime, std::nullopt};
  if (need.need == Need::due && at.leaf() != nullptr) request.outlive = at.leaf()->not_after;
  if (const auto chain = at.pair ? x509::parse_certificates(at.pair->chain_pem, "listener.pem") : Result<std::vector<x509::Certificate>>{}; chain && !chain->empty())
    if (const auto key = x509::PrivateKey::parse(at.pair->key_pem.view(), "listener.pem"))
      request.proof_pem = x509::sign_request(request.request_pem, *chain, *key).value_or("");   // without it, it is a first enrolment
  IssuerAnswer answer = issuer.submit(request, now);
  if (const auto* issued = std::get_if<Issued>(&answer)) {
    auto taken = take(at, *waiting, *issued, now);
    if (taken) return;
    answer = Refused{std::move(taken).error()};
  }
  if (const auto* refused = std::get_if<Refused>(&answer)) {
    at.failed = true;
    refusal_ = refused->why;
    const bool final = is_final(*refused);
    pause_ = Pause{now + (final ? pause_after_refusal : pause_after_failure), final, at.seen.issuer.available};
    if (final) {
      if (auto dropped = ports_.pending.remove(waiting->spki_sha256); !dropped) at.fault(dropped.error());
    }
    return;
  }
  at.seen.answers.emplace_back(waiting->spki_sha256, std::move(answer));
}

// What would be wanted anew at once is not installed.
Result<void> ListenerKeeper::take(Look& at, const PendingSeen& waiting, const Issued& issued, TimePoint now) {
  PGCERTD_TRY(const Secret key, ports_.pending.key(waiting.spki_sha256));
  Observation candidate;
  candidate.issuer = at.seen.issuer;
  if (!issued.root_pem.empty()) candidate.issuer.root_pem = issued.root_pem;
  put(candidate, issued.chain_pem, key, desired_.names, now);
  if (const NeedOf need = need_of(desired_, candidate, now); need.need != Need::none) return fail(Errc::refused, "what the issuer gave out would not do: " + need.why);
  PGCERTD_CHECK(ports_.pair.write(issued.chain_pem, key));
  at.pair = ports::OwnPair::Pair{issued.chain_pem, key.clone()};
  at.seen.issuer.root_pem = candidate.issuer.root_pem;
  at.seen.generations = candidate.generations;
  at.seen.current = candidate.current;
  refusal_.reset();
  pause_.reset();
  const CertFacts& leaf = *at.leaf();
  at.say(now, "certificate-issued", "the HTTP listener's certificate was issued: serial " + leaf.serial, {{"serial", leaf.serial}, {"fingerprint_sha256", leaf.fingerprint_sha256}});
  if (auto removed = ports_.pending.remove(waiting.spki_sha256); !removed) at.fault(removed.error());
  return {};
}

Result<void> ListenerKeeper::serve_what_is_there(const Look& at) {
  const CertFacts* const leaf = at.leaf();
  if (leaf == nullptr || leaf->fingerprint_sha256 == served_) return {};
  PGCERTD_CHECK(ports_.serve(at.pair->chain_pem, at.pair->key_pem));
  served_ = leaf->fingerprint_sha256;
  return {};
}

void ListenerKeeper::prove(Look& at, TimePoint now) {
  for (auto& [endpoint, der] : ports_.shown()) {
    ProbeSeen probe;
    probe.endpoint = endpoint;
    probe.probed_at = now;
    auto leaf = der ? x509::Certificate::from_der(*der) : Result<x509::Certificate>(fail(der.error()));
    if (leaf) {
      probe.outcome = ProbeOutcome::served;
      probe.chain = {leaf->facts()};
    } else {
      probe.outcome = ProbeOutcome::handshake_failed;
      probe.detail = leaf.error().text();
    }
    at.seen.probes.push_back(std::move(probe));
  }
  const CertFacts* const leaf = at.leaf();
  if (leaf == nullptr || at.seen.probes.empty() || proved_ == leaf->fingerprint_sha256) return;
  if (std::ranges::any_of(at.seen.probes, [&](const ProbeSeen& p) { return p.chain.empty() || p.chain.front().fingerprint_sha256 != leaf->fingerprint_sha256; })) return;
  proved_ = leaf->fingerprint_sha256;
  at.say(now, "rotation-proved", fmt::format("a handshake with the HTTP listener showed serial {}, which ends {}", leaf->serial, to_rfc3339(leaf->not_after)), {{"serial", leaf->serial}, {"fingerprint_sha256", leaf->fingerprint_sha256}});
}

ListenerView ListenerKeeper::view_of(const Look& at, const NeedOf& need, TimePoint now) {
  ListenerView view;
  view.issuer = desired_.cluster.issuer;
  view.client_certificates = client_certificates_;
  if (const CertFacts* leaf = at.leaf()) {
    view.certificate = CertificateView{ports_.pair.path(), *leaf, at.seen.generations.live()->chain, leaf->not_after, need.renew_at, {}};
    if (at.seen.current) view.certificate->judgement = *at.seen.current, view.certificate->chain_not_after = at.seen.current->chain_not_after;
  }
  for (const ProbeSeen& probe : at.seen.probes) {
    const bool same = at.leaf() != nullptr && !probe.chain.empty() && probe.chain.front().fingerprint_sha256 == at.leaf()->fingerprint_sha256;
    view.served.push_back({probe, same, !same || !at.seen.current ? "" : at.seen.current->chain_ok ? "ok" : at.seen.current->chain_error});
  }
  view.problems = standing(at.seen.blind ? at.seen.faults : judge_listener(desired_, at.seen, need, now), problems_, now);
  problems_.clear();
  for (const StandingProblem& p : view.problems) problems_.push_back({p.finding.code, p.finding.object, p.since});
  return view;
}

ListenerKeeper::Tick ListenerKeeper::tick(ports::Issuer& issuer, TimePoint now) {
  Look at = look(issuer, now);
  if (!at.seen.blind && !at.seen.clock_doubt && need_of(desired_, at.seen, now).need != Need::none) renew(at, issuer, now);
  if (auto served = serve_what_is_there(at); !served) at.fault(served.error());
  prove(at, now);
  const NeedOf need = need_of(desired_, at.seen, now);
  if (need.need == Need::none) refusal_.reset();
  if (refusal_) at.seen.answers.emplace_back("", Refused{*refusal_});
  ListenerView view = view_of(at, need, now);
  return {std::move(view), std::move(at.events), at.failed};
}

}  // namespace pgcertd::engine
