#include "core/listener.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;
using P = ProblemCode;

class ListenerJudge {
 public:
  ListenerJudge(const Desired& desired, const Observation& seen, const NeedOf& need, TimePoint now) : desired_(desired), seen_(seen), need_(need), now_(now) {}

  std::vector<Finding> run() {
    need();
    dates();
    answers();
    served();
    for (const Finding& fault : seen_.faults) out_.push_back(fault);
    return std::move(out_);
  }

 private:
  void add(P code, std::string message, std::string remedy) {
    out_.push_back({code, Severity::warning, "http", "the HTTP listener: " + std::move(message), std::move(remedy)});
  }

  [[nodiscard]] std::string remedy_of_issuing() const {
    if (desired_.issuer_type == IssuerType::offline) return "pgcertctl request export; pgcertctl ca session where the root's key is; pgcertctl request import";
    return "pgcertctl status: the issuer's own problem says why it does not sign";
  }

  void need() {
    if (need_.need == Need::absent) return add(P::served_unverifiable, "it serves a certificate that it made itself until the issuer has given out one", remedy_of_issuing());
    const auto row = std::ranges::find(need_table(), need_.need, &NeedRow::need);
    if (row != need_table().end() && row->problem) add(*row->problem, printable(need_.why), remedy_of_issuing());
  }

  void dates() {
    const GenerationSeen* const pair = seen_.generations.live();
    if (pair == nullptr || pair->chain.empty()) return;
    const CertFacts& leaf = pair->chain.front();
    const TimePoint end = seen_.current ? std::min(leaf.not_after, seen_.current->chain_not_after) : leaf.not_after;
    const Duration life = end - leaf.not_before, left = end - now_;
    if (left <= 0ms) return;   // expired: a need
    if (expires_soon(left, life)) add(P::cert_expiring, fmt::format("its certificate ends {} ({})", relative_text(end, now_), to_rfc3339(end)), remedy_of_issuing());
    if (need_.renew_at && now_ > *need_.renew_at + std::min<Duration>(1h, life / 10))
      add(P::cert_renewal_overdue, "its renewal was planned for " + to_rfc3339(*need_.renew_at), remedy_of_issuing());
  }

  void answers() {
    for (const auto& [spki, answered] : seen_.answers) {
      if (const auto* pending = std::get_if<Pending>(&answered); pending != nullptr && (desired_.issuer_type == IssuerType::offline || now_ - pending->since > 1min))
        add(P::awaiting_signature, fmt::format("request {} waits since {}", spki.substr(0, 16), to_rfc3339(pending->since)), remedy_of_issuing());
      if (const auto* refused = std::get_if<Refused>(&answered))
        add(P::issuer_failed, "its certificate was refused: " + printable(refused->why.text(), 1000), refused->why.remedy.empty() ? remedy_of_issuing() : refused->why.remedy);
    }
  }

  void served() {
    const GenerationSeen* const pair = seen_.generations.live();
    const std::string file = pair != nullptr && !pair->chain.empty() ? pair->chain.front().fingerprint_sha256 : "";
    for (const ProbeSeen& probe : seen_.probes) {
      if (probe.chain.empty()) add(P::probe_failed, fmt::format("{} could not be probed: {}", probe.endpoint, printable(probe.detail)), "openssl s_client -connect " + probe.endpoint);
      else if (!file.empty() && probe.chain.front().fingerprint_sha256 != file)
        add(P::served_stale, fmt::format("{} shows serial {}, not the one in the file", probe.endpoint, probe.chain.front().serial), "systemctl restart pgcertd");
    }
  }

  const Desired& desired_;
  const Observation& seen_;
  const NeedOf& need_;
  const TimePoint now_;
  std::vector<Finding> out_;
};

}  // namespace

Desired listener_wish(const IssuerConfig& issuer, Names names, Duration check_interval) {
  Desired desired;
  desired.cluster.name = listener_name;
  desired.cluster.issuer = issuer.name;
  desired.names = std::move(names);
  desired.check_interval = check_interval;
  desired.issuer_type = issuer.type;
  desired.request_lead = issuer.request_lead;
  return desired;
}

std::vector<Finding> judge_listener(const Desired& desired, const Observation& seen, const NeedOf& need, TimePoint now) { return ListenerJudge(desired, seen, need, now).run(); }

}  // namespace pgcertd
