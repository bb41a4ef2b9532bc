#include "issuer/offline_import.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "core/trust.hpp"
#include "x509/verify.hpp"

namespace pgcertd::issuer {
namespace {

using namespace std::chrono_literals;

// Two machines' clocks differ by minutes; a visit takes longer.
constexpr Duration clock_slack = 10min;
constexpr const char* look_remedy = "pgcertctl request list tells what was asked for, pgcertctl inspect FILE what came back";

std::string names_text(const Names& names) {
  std::string out;
  for (const std::string& one : all_names(names)) out += (out.empty() ? "" : ", ") + printable(one, 253);
  return out;
}

Names sorted(Names names) {
  std::ranges::sort(names.dns);
  std::ranges::sort(names.ip);
  return names;
}

std::vector<x509::Certificate> intermediates_of(const x509::Bundle& bundle, const x509::Certificate& root) {
  std::vector<x509::Certificate> out;
  for (const x509::Certificate& one : bundle.certificates)
    if (one.facts().is_ca && one.facts().fingerprint_sha256 != root.facts().fingerprint_sha256) out.push_back(one);
  return out;
}

// Leaf first, then the one that signed it, until the root's own is reached; others of the bundle are not served.
std::vector<x509::Certificate> chain_of(const x509::Certificate& leaf, const std::vector<x509::Certificate>& intermediates) {
  std::vector<x509::Certificate> chain{leaf};
  for (std::size_t i = 0; i < intermediates.size(); ++i) {
    const auto next = std::ranges::find_if(intermediates, [&](const x509::Certificate& one) { return one.facts().subject_key_id == chain.back().facts().authority_key_id; });
    if (next == intermediates.end() || next->facts().fingerprint_sha256 == chain.back().facts().fingerprint_sha256) break;
    chain.push_back(*next);
  }
  return chain;
}

Result<void> check_age(const KnownRequest& known, const CertFacts& leaf, TimePoint now) {
  if (leaf.not_before > now + clock_slack)
    return fail(Errc::refused, fmt::format("the certificate for cluster {} is valid only from {}", known.booked.request.cluster, to_rfc3339(leaf.not_before)), "compare the clocks of this host and of the root's machine");
  if (known.newest && leaf.not_before < *known.newest->not_before)
    return fail(Errc::refused, fmt::format("the certificate for cluster {} was made before the one that came back last ({}): it is an old one", known.booked.request.cluster, to_rfc3339(*known.newest->not_before)), "take the file of the last visit");
  return {};
}

// The life that was asked for, and what notBefore is backdated by (facts of the profile: min(1 h, lifetime / 10)).
Result<void> check_life(const LeafRequest& asked, const CertFacts& leaf, TimePoint now) {
  const Duration most = asked.lifetime + std::min<Duration>(1h, asked.lifetime / 10) + clock_slack;
  if (leaf.not_after - leaf.not_before > most || leaf.not_after > now + asked.lifetime + clock_slack)
    return fail(Errc::refused, fmt::format("the certificate for cluster {} is valid for {}, asked for were {}", asked.cluster, to_text(std::chrono::round<std::chrono::seconds>(leaf.not_after - leaf.not_before)), to_text(asked.lifetime)),
                "have it signed for the life that was asked for, or raise lifetime in the cluster's section and ask again");
  if (asked.outlive && leaf.not_after <= *asked.outlive)
    return fail(Errc::refused, fmt::format("the certificate for cluster {} ends at {}, no later than the one in use", asked.cluster, to_rfc3339(leaf.not_after)), "have it signed for longer");
  return {};
}

Result<void> check_asked_for(const KnownRequest& known, const CertFacts& leaf, TimePoint now) {
  const LeafRequest& asked = known.booked.request;
  if (!known.key_waits)
    return fail(Errc::refused, fmt::format("the request of cluster {} that this certificate answers was dropped: its key is gone", asked.cluster), look_remedy);
  if (leaf.is_ca) return fail(Errc::refused, fmt::format("the certificate for cluster {} is a CA's", asked.cluster), "have it signed as a server's");
  if (sorted(leaf.names) != sorted(asked.names))
    return fail(Errc::refused, fmt::format("the certificate for cluster {} has the names {}, asked for were {}", asked.cluster, names_text(leaf.names), names_text(asked.names)), look_remedy);
  PGCERTD_CHECK(check_age(known, leaf, now));
  return check_life(asked, leaf, now);
}

Result<void> check_chain(const std::vector<x509::Certificate>& chain, const x509::Certificate& root, const std::vector<x509::Crl>& crls, const std::string& cluster, TimePoint now) {
  const TimePoint at = std::max(now, chain.front().facts().not_before);
  const auto verdict = x509::verify_chain(chain, {root}, x509::Purpose::server, at);
  if (!verdict.ok)
    return fail(Errc::refused, fmt::format("the certificate for cluster {} does not lead to the pinned root {}: {}", cluster, root.facts().fingerprint_sha256, verdict.error), "compare the root's SHA-256 with pgcertctl trust export");
  for (const x509::Crl& crl : crls)
    for (const x509::Certificate& one : chain)
      if (crl.facts().authority_key_id == one.facts().authority_key_id && crl.contains(one.facts().serial))
        return fail(Errc::refused, fmt::format("the certificate {} that came back for cluster {} is revoked", one.facts().serial, cluster), "have a new one signed");
  return {};
}

class Judge {
 public:
  Judge(const ImportSeen& seen, const x509::Bundle& bundle, TimePoint now) : seen_(seen), bundle_(bundle), now_(now), intermediates_(intermediates_of(bundle, seen.root)), crls_(seen.crls) {}

  Result<Import> run() {
    PGCERTD_CHECK(all_crls());
    for (const x509::Certificate& one : bundle_.certificates)
      if (const KnownRequest* const known = find(one)) PGCERTD_CHECK(answer(one, *known));
    PGCERTD_CHECK(something_of_ours());
    if (out_.answers.empty() && !late_crl_.empty() && out_.crls.empty() && !in_force_) return fail(Errc::refused, late_crl_, "take the file of the last visit");
    if (!late_crl_.empty()) out_.words.push_back(late_crl_);
    if (out_.words.empty()) out_.words.emplace_back("all of it is in force already");
    return std::move(out_);
  }

 private:
  [[nodiscard]] const KnownRequest* find(const x509::Certificate& one) const {
    for (const auto& [spki, known] : seen_.requests)
      if (spki == one.facts().spki_sha256) return &known;
    return nullptr;
  }

  Result<void> answer(const x509::Certificate& leaf, const KnownRequest& known) {
    const std::string& cluster = known.booked.request.cluster;
    if (!known.booked.chain_pem.empty()) {
      if (known.newest && known.newest->fingerprint_sha256 == leaf.facts().fingerprint_sha256) {
        in_force_ = true;
        return {};
      }
      return fail(Errc::refused, fmt::format("the request of cluster {} that this certificate answers has its answer since {}: this is an old one", cluster, to_rfc3339(*known.booked.answered_at)), "take the file of the last visit");
    }
    PGCERTD_CHECK(check_asked_for(known, leaf.facts(), now_));
    const auto chain = chain_of(leaf, intermediates_);
    PGCERTD_CHECK(check_chain(chain, seen_.root, crls_, cluster, now_));
    out_.answers.push_back({leaf.facts().spki_sha256, x509::to_pem(chain), leaf.facts().fingerprint_sha256, leaf.facts().not_before});
    out_.words.push_back(fmt::format("cluster {} gets the certificate {}, valid until {}", cluster, leaf.facts().serial, to_rfc3339(leaf.facts().not_after)));
    return {};
  }

  Result<void> something_of_ours() const {
    if (!out_.answers.empty() || in_force_ || bundle_.certificates.empty()) return {};
    const auto leaves = std::ranges::count_if(bundle_.certificates, [](const x509::Certificate& one) { return !one.facts().is_ca; });
    if (leaves == 0 && !bundle_.crls.empty()) return {};
    return fail(Errc::refused, fmt::format("none of the {} certificates that came back answers a request of this host", bundle_.certificates.size()), look_remedy);
  }

  [[nodiscard]] const x509::Certificate* signer_of(const x509::Crl& crl) const {
    if (x509::crl_signed_by(crl, seen_.root)) return &seen_.root;
    const auto found = std::ranges::find_if(intermediates_, [&](const x509::Certificate& one) { return x509::crl_signed_by(crl, one); });
    return found == intermediates_.end() ? nullptr : &*found;
  }

  Result<void> all_crls() {
    for (const x509::Crl& crl : bundle_.crls) {
      const x509::Certificate* const signer = signer_of(crl);
      if (signer == nullptr)
        return fail(Errc::refused, fmt::format("a CRL in the name of \"{}\" was not signed by the pinned root, nor by a CA of the bundle", printable(crl.facts().issuer, 200)), "pgcertctl inspect FILE shows whose it is");
      PGCERTD_CHECK(one_crl(crl, signer->facts()));
    }
    return {};
  }

  Result<void> one_crl(const x509::Crl& crl, const CertFacts& signer) {
    const std::string name = fmt::format("CRL {} of \"{}\"", printable(crl.facts().number, 80), printable(signer.subject, 200));
    if (const std::string fault = crl_fault(crl.facts(), now_); !fault.empty()) return fail(Errc::refused, name + " is not taken: " + fault, "have the root sign a new one");
    const auto before = std::ranges::find_if(crls_, [&](const x509::Crl& one) { return one.facts().authority_key_id == crl.facts().authority_key_id; });
    if (before != crls_.end()) {
      if (before->facts().fingerprint_sha256 == crl.facts().fingerprint_sha256) return {};
      if (const std::string fault = crls_follow({before->facts()}, {crl.facts()}); !fault.empty()) {
        late_crl_ = fmt::format("{} is not taken: {}", name, fault);
        return {};
      }
      *before = crl;
    } else {
      crls_.push_back(crl);
    }
    out_.crls.push_back({crl.facts().authority_key_id, crl.pem()});
    out_.words.push_back(fmt::format("{} is taken, valid until {}", name, crl.facts().next_update ? to_rfc3339(*crl.facts().next_update) : "its end"));
    return {};
  }

  const ImportSeen& seen_;
  const x509::Bundle& bundle_;
  const TimePoint now_;
  const std::vector<x509::Certificate> intermediates_;
  std::vector<x509::Crl> crls_;            // with the new ones in the place of theirs
  Import out_;
  std::string late_crl_;                   // why a CRL of the bundle is older than the one taken before
  bool in_force_ = false;                  // the bundle's certificate is the one that was taken last
};

}  // namespace

Result<Import> judge_import(const ImportSeen& seen, const x509::Bundle& bundle, TimePoint now) { return Judge(seen, bundle, now).run(); }

}  // namespace pgcertd::issuer
