#include "engine/trust_look.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "x509/certificate.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

TrustSet issuers_own(const IssuerSeen& issuer) {
  TrustSet out;
  out.root_pem = issuer.root_pem;
  if (issuer.root) out.roots = {*issuer.root};
  out.crl_pem = issuer.crl_set_pem;
  out.crls = issuer.crl_set;
  out.why = issuer.crl_set_why;
  return out;
}

// As the setting was before pgcertd, or as it is while it is not ours.
std::string former_file(const Observation& seen, const char* setting) {
  const std::string now = seen.server.file_setting(setting);
  if (!now.empty() && !now.starts_with(seen.generations.directory + "/current/")) return now;
  const auto before = seen.memory.original_files.find(setting);
  return before == seen.memory.original_files.end() ? std::string{} : before->second;
}

// One set of foreign anchors with what is there of CRLs, while it is being put together.
struct Merge {
  std::vector<x509::Certificate> anchors;
  std::vector<x509::Crl> crls;
  std::string troubles;

  void trouble(const std::string& what) { troubles += (troubles.empty() ? "" : "; ") + what; }
};

template <class Parsed, class Parse>
std::vector<Parsed> read_former(const ClusterPorts& ports, const Observation& seen, const char* setting, Merge& merge, Parse parse) {
  const std::string path = former_file(seen, setting);
  if (path.empty()) return {};
  const auto bytes = ports.live.read_public(path, seen.server.identity());
  auto parsed = bytes ? parse(*bytes, path) : Result<std::vector<Parsed>>(fail(bytes.error()));
  if (parsed) return std::move(*parsed);
  merge.trouble(printable(parsed.error().text()));
  return {};
}

Merge gather(const ClusterPorts& ports, const Observation& seen) {
  Merge merge;
  merge.anchors = read_former<x509::Certificate>(ports, seen, "ssl_ca_file", merge, x509::parse_certificates);
  for (const auto& source : ports.other_crls ? ports.other_crls() : std::vector<std::shared_ptr<const OtherCrls>>{}) {
    if (!source->trouble.empty()) merge.trouble(fmt::format("[crl.{}]: {}", source->name, source->trouble));
    if (const auto crls = x509::parse_crls(source->pem.str(), source->name)) merge.crls.insert(merge.crls.end(), crls->begin(), crls->end());
  }
  auto former = read_former<x509::Crl>(ports, seen, "ssl_crl_file", merge, x509::parse_crls);
  merge.crls.insert(merge.crls.end(), std::make_move_iterator(former.begin()), std::make_move_iterator(former.end()));
  return merge;
}

const x509::Crl* best_for(const x509::Certificate& authority, const std::vector<x509::Crl>& crls, TimePoint now) {
  const x509::Crl* best = nullptr;
  for (const x509::Crl& crl : crls) {
    const bool usable = crl.facts().issuer == authority.facts().subject && crl_fault(crl.facts(), now).empty() && x509::crl_signed_by(crl, authority);
    if (usable && (best == nullptr || crl.facts().this_update > best->facts().this_update)) best = &crl;
  }
  return best;
}

bool stands_in(const std::vector<CertFacts>& roots, const CertFacts& one) {
  return std::ranges::find(roots, one.fingerprint_sha256, &CertFacts::fingerprint_sha256) != roots.end();
}

void add_authority(TrustSet& out, std::string& crl_pem, const Merge& merge, const x509::Certificate& authority, TimePoint now) {
  if (stands_in(out.roots, authority.facts())) return;
  out.roots.push_back(authority.facts());
  out.root_pem += authority.pem();
  if (out.crls.empty()) return;   // it is not complete anyway
  const x509::Crl* crl = best_for(authority, merge.crls, now);
  if (crl != nullptr) {
    out.crls.push_back(crl->facts());
    crl_pem += crl->pem();
    return;
  }
  out.crls.clear();
  out.why = fmt::format("{} stands in the former ssl_ca_file, and there is no good CRL of it{}", printable(authority.facts().subject, 128), merge.troubles.empty() ? "" : ": " + merge.troubles);
}

TrustSet merged(const IssuerSeen& issuer, const Merge& merge, TimePoint now) {
  TrustSet out = issuers_own(issuer);
  std::string crl_pem = out.crl_pem;
  for (const x509::Certificate& authority : merge.anchors) add_authority(out, crl_pem, merge, authority, now);
  out.crl_pem = out.crls.empty() ? SharedText() : SharedText(std::move(crl_pem));
  return out;
}

// Whatever the merged set is made of; files by what they look like.
std::string inputs_of(const ClusterPorts& ports, const Observation& seen) {
  std::string out = seen.issuer.root_pem;
  for (const CrlFacts& crl : seen.issuer.crl_set) out += crl.fingerprint_sha256;
  out += seen.issuer.crl_set_why;
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file"}) {
    const std::string path = former_file(seen, setting);
    const auto looked = path.empty() ? Result<PathSeen>(fail(Errc::not_found, "")) : ports.live.look(path);
    out += fmt::format("|{} {} {}", path, looked ? looked->file.size : 0, looked ? looked->file.modified.time_since_epoch().count() : 0);
  }
  for (const auto& source : ports.other_crls ? ports.other_crls() : std::vector<std::shared_ptr<const OtherCrls>>{}) {
    out += fmt::format("|{} {}", source->name, source->trouble);
    for (const CrlFacts& crl : source->crls) out += crl.fingerprint_sha256;
  }
  return out;
}

}  // namespace

TrustSet TrustLook::look(const ClusterPorts& ports, const Desired& desired, const Observation& seen, TimePoint now) {
  if (desired.cluster.client_ca != ClientCaPolicy::merge || !seen.server.known) return issuers_own(seen.issuer);
  std::string inputs = inputs_of(ports, seen);
  const bool ended = known_ && std::ranges::any_of(known_->crls, [now](const CrlFacts& crl) { return crl.next_update && now >= *crl.next_update; });
  if (!known_ || ended || inputs != known_by_) {
    known_ = merged(seen.issuer, gather(ports, seen), now);
    known_by_ = std::move(inputs);
  }
  return *known_;
}

}  // namespace pgcertd::engine
