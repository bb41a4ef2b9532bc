#include "core/foreign_pair.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;
using P = ProblemCode;

struct Pair {
  const LiveSet& live;
  const IssuerSeen& issuer;
  bool completed_by_ca_file{};    // the audit tells of that
  std::string remedy;
  std::vector<Finding> out;

  [[nodiscard]] const CertFacts& leaf() const { return live.chain.front(); }
  [[nodiscard]] TimePoint end() const { return std::min(leaf().not_after, live.judgement.chain_not_after); }
  void add(P code, Severity severity, const std::string& what) { out.push_back({code, severity, live.cert_path, printable(live.cert_path) + " " + what, remedy}); }
};

void judge_dates(Pair& pair, TimePoint now) {
  const Duration left = pair.end() - now, life = pair.end() - pair.leaf().not_before;
  const std::string end = fmt::format("{} ({})", relative_text(pair.end(), now), to_rfc3339(pair.end()));
  if (left <= 0ms) pair.add(P::cert_expired, Severity::critical, "ended " + end);
  else if (now < pair.leaf().not_before) pair.add(P::cert_not_yet_valid, Severity::critical, "is valid only from " + to_rfc3339(pair.leaf().not_before));
  else if (expires_soon(left, life)) pair.add(P::cert_expiring, Severity::critical, "ends " + end);
}

// Half of a change by hand: the running server keeps what it loaded, and does not start again.
void judge_key(Pair& pair) {
  const LeafJudgement& judged = pair.live.judgement;
  if (judged.key_read && !judged.key_matches)
    pair.add(P::cert_key_mismatch, Severity::critical, fmt::format("and {} do not belong together; the server would not start with them", printable(pair.live.key_path)));
}

// The file may hold a root's own leaf, which is whole by itself; whether it is cannot be told of a root that is not known here.
void judge_chain(Pair& pair) {
  const LeafJudgement& judged = pair.live.judgement;
  if (pair.completed_by_ca_file) return;
  if (judged.chain_incomplete) return pair.add(P::cert_chain_incomplete, Severity::critical, "lacks its intermediate certificate: clients that know only the root refuse it");
  const bool lonely = pair.live.chain.size() == 1 && !pair.leaf().self_signed;
  const bool known_root = judged.chain_ok || (pair.issuer.root && pair.issuer.root->subject_key_id == pair.leaf().authority_key_id);
  if (lonely && !known_root)
    pair.add(P::cert_chain_incomplete, Severity::warning,
             fmt::format("holds one certificate alone, signed by {}: if that is not the root that clients trust, they refuse it", printable(pair.leaf().issuer, 128)));
}

void judge_purpose(Pair& pair) {
  if (!pair.leaf().server_auth) pair.add(P::cert_untrusted, Severity::critical, "is not for servers: its extendedKeyUsage lacks serverAuth");
  if (pair.live.judgement.revoked) pair.add(P::cert_revoked, Severity::critical, "has been revoked by its issuer");
}

// Nobody is known to use the names yet: they are what pgcertd was told that clients use.
void judge_names(Pair& pair) {
  const auto& missing = pair.live.judgement.missing_names;
  if (!missing.empty()) pair.add(P::cert_name_mismatch, Severity::warning, fmt::format("does not hold {}, which verify-full clients ask for", printable(fmt::format("{}", fmt::join(missing, ", ")))));
}

void judge_strength(Pair& pair) {
  const LeafJudgement& judged = pair.live.judgement;
  if (!judged.weak) return;
  const bool breaks_scram = pair.leaf().signature_digest.empty();
  pair.add(P::cert_weak, breaks_scram ? Severity::critical : Severity::warning, "is weak: " + printable(judged.weak_why));
}

// The running server goes on with what it loaded, and does not start again.
std::vector<Finding> unreadable(const Desired& desired, const LiveSet& live) {
  if (live.cert_path.empty()) return {};
  return {finding(P::cert_unreadable, fmt::format("{} cannot be read as a certificate{}{}; the server would not start with it", printable(live.cert_path), live.why.empty() ? "" : ": ", printable(live.why)),
                  fmt::format("put the former file back, or let pgcertd replace it: pgcertctl takeover {}", desired.cluster.name), live.cert_path)};
}

}  // namespace

std::vector<Finding> judge_foreign_pair(const Desired& desired, const Observation& seen, TimePoint now) {
  if (!needs_takeover(desired, seen)) return {};
  if (seen.live.chain.empty()) return unreadable(desired, seen.live);
  Pair pair{seen.live, seen.issuer, seen.tls_files.completed_by_ca_file, fmt::format("replace it by hand, or let pgcertd do it: pgcertctl takeover {}", desired.cluster.name), {}};
  judge_dates(pair, now);
  judge_key(pair);
  judge_chain(pair);
  judge_purpose(pair);
  judge_names(pair);
  judge_strength(pair);
  return std::move(pair.out);
}

}  // namespace pgcertd
