#include "engine/trust_look.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "x509/certificate.hpp"
#include "x509/known_certificates.hpp"
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
  std::string now = seen.server.file_setting(setting);
  if (!now.empty() && !now.starts_with(seen.generations.directory + "/current/")) return now;
  const auto before = seen.memory.original_files.find(setting);
  return before == seen.memory.original_files.end() ? std::string{} : before->second;
}

std::string current_file(const Observation& seen, FileRole role) { return fmt::format("{}/current/{}", seen.generations.directory, file_name(role)); }

// What there is of anchors and CRLs, while a set is put together.
struct Sources {
  std::vector<x509::Certificate> required;    // each needs a good CRL, or there is no set: what stood in a foreign ssl_ca_file
  std::vector<x509::Certificate> installed;   // of root.crt as it is in force: kept as long as there is a good CRL of each
  std::vector<std::vector<x509::Crl>> crls;   // by where they come from; what is installed comes last
  std::string troubles;
  std::string unread;                         // a file that may hold more anchors or CRLs: without it the set is not known

  void trouble(const std::string& what) { troubles += (troubles.empty() ? "" : "; ") + what; }
};

template <class Parsed, class Parse>
std::vector<Parsed> read_file(const ClusterPorts& ports, const Observation& seen, const std::string& path, Sources& sources, Parse parse) {
  if (path.empty()) return {};
  const auto bytes = ports.live.read_public(path, seen.server.identity());
  auto parsed = bytes ? parse(*bytes, path) : Result<std::vector<Parsed>>(fail(bytes.error()));
  if (parsed) return std::move(*parsed);
  if (is_passing(parsed.error())) sources.unread = printable(parsed.error().text());
  sources.trouble(printable(parsed.error().text()));
  return {};
}

std::vector<std::shared_ptr<const OtherCrls>> others(const ClusterPorts& ports) { return ports.other_crls ? ports.other_crls() : std::vector<std::shared_ptr<const OtherCrls>>{}; }

Sources gather(const ClusterPorts& ports, const Desired& desired, const Observation& seen) {
  Sources out;
  const bool merges = desired.cluster.client_ca == ClientCaPolicy::merge;
  if (merges) out.required = read_file<x509::Certificate>(ports, seen, former_file(seen, "ssl_ca_file"), out, x509::known_certificates);
  for (const auto& source : others(ports)) {
    if (!source->trouble.empty()) out.trouble(fmt::format("[crl.{}]: {}", source->name, source->trouble));
    if (auto crls = x509::parse_crls(source->pem.str(), source->name)) out.crls.push_back(std::move(*crls));
  }
  if (merges) out.crls.push_back(read_file<x509::Crl>(ports, seen, former_file(seen, "ssl_crl_file"), out, x509::parse_crls));
  if (!trust_in_force(seen)) return out;
  out.installed = read_file<x509::Certificate>(ports, seen, current_file(seen, FileRole::root), out, x509::known_certificates);
  out.crls.push_back(read_file<x509::Crl>(ports, seen, current_file(seen, FileRole::crl), out, x509::parse_crls));
  return out;
}

const x509::Crl* best_for(const x509::Certificate& authority, const Sources& sources, TimePoint now) {
  const x509::Crl* best = nullptr;
  for (const auto& crls : sources.crls)
    for (const x509::Crl& crl : crls) {
      const bool usable = crl.facts().issuer == authority.facts().subject && crl_fault(crl.facts(), now).empty() && x509::crl_signed_by(crl, authority);
      if (usable && (best == nullptr || crl.facts().this_update > best->facts().this_update)) best = &crl;
    }
  return best;
}

bool stands_in(const std::vector<CertFacts>& roots, const CertFacts& one) {
  return std::ranges::find(roots, one.fingerprint_sha256, &CertFacts::fingerprint_sha256) != roots.end();
}

bool same_ca(const CrlFacts& a, const CrlFacts& b) { return a.issuer == b.issuer && a.authority_key_id == b.authority_key_id; }

// A set while it is put together.
class Assembly {
 public:
  Assembly(const IssuerSeen& issuer, const Sources& sources, TimePoint now) : out_(issuers_own(issuer)), sources_(sources), now_(now), crl_pem_(out_.crl_pem.str()) {}

  TrustSet finish() {
    for (const x509::Certificate& authority : sources_.required) require(authority);
    for (const x509::Certificate& authority : sources_.installed) keep(authority);
    keep_below();
    if (!sources_.unread.empty()) out_.crls.clear(), out_.why = sources_.unread;
    out_.crl_pem = out_.crls.empty() ? SharedText() : SharedText(std::move(crl_pem_));
    return std::move(out_);
  }

 private:
  void add(const x509::Certificate& authority) {
    out_.roots.push_back(authority.facts());
    out_.root_pem += authority.pem();
  }
  void add(const x509::Crl& crl) {
    out_.crls.push_back(crl.facts());
    crl_pem_ += crl.pem();
  }

  void require(const x509::Certificate& authority) {
    if (stands_in(out_.roots, authority.facts())) return;
    add(authority);
    if (out_.crls.empty()) return;   // it is not complete anyway
    if (const x509::Crl* crl = best_for(authority, sources_, now_)) return add(*crl);
    out_.crls.clear();
    out_.why = fmt::format("{} stands in the former ssl_ca_file, and there is no good CRL of it{}", printable(authority.facts().subject, 128), sources_.troubles.empty() ? "" : ": " + sources_.troubles);
  }

  // A CA is only ever added to what clients' certificates may lead to. Without a CRL its clients are refused anyway.
  void keep(const x509::Certificate& authority) {
    if (stands_in(out_.roots, authority.facts()) || out_.crls.empty()) return;
    const x509::Crl* crl = best_for(authority, sources_, now_);
    if (crl == nullptr) return;
    add(authority);
    add(*crl);
  }

  // CRLs of issuing CAs, which stand in clients' chains and not here: of each source that has one of an anchor of ours.
  void keep_below() {
    if (out_.crls.empty()) return;
    const std::vector<CrlFacts> anchors = out_.crls;
    for (const auto& crls : sources_.crls) {
      const bool ours = std::ranges::any_of(crls, [&](const x509::Crl& crl) { return std::ranges::any_of(anchors, [&](const CrlFacts& a) { return same_ca(a, crl.facts()); }); });
      if (!ours) continue;
      for (const x509::Crl& crl : crls)
        if (crl_fault(crl.facts(), now_).empty() && std::ranges::none_of(out_.crls, [&](const CrlFacts& there) { return same_ca(there, crl.facts()); })) add(crl);
    }
  }

  TrustSet out_;
  const Sources& sources_;
  const TimePoint now_;
  std::string crl_pem_;
};

// Whatever the merged set is made of; files by what they look like.
std::string inputs_of(const ClusterPorts& ports, const Observation& seen) {
  std::string out = seen.issuer.root_pem + seen.issuer.crl_set_why + (trust_in_force(seen) ? seen.generations.current : "");
  for (const CrlFacts& crl : seen.issuer.crl_set) out += crl.fingerprint_sha256;
  for (const char* setting : {"ssl_ca_file", "ssl_crl_file"}) {
    const std::string path = former_file(seen, setting);
    const auto looked = path.empty() ? Result<PathSeen>(fail(Errc::not_found, "")) : ports.live.look(path);
    out += fmt::format("|{} {} {}", path, looked ? looked->file.size : 0, looked ? looked->file.modified.time_since_epoch().count() : 0);
  }
  for (const auto& source : others(ports)) {
    out += fmt::format("|{} {}", source->name, source->trouble);
    for (const CrlFacts& crl : source->crls) out += crl.fingerprint_sha256;
  }
  return out;
}

}  // namespace

TrustSet TrustLook::look(const ClusterPorts& ports, const Desired& desired, const Observation& seen, TimePoint now) {
  if (!seen.server.known || (desired.cluster.client_ca != ClientCaPolicy::merge && !trust_in_force(seen))) return issuers_own(seen.issuer);
  std::string inputs = inputs_of(ports, seen);
  const bool ended = known_ && std::ranges::any_of(known_->crls, [now](const CrlFacts& crl) { return crl.next_update && now >= *crl.next_update; });
  foreign_ = desired.cluster.client_ca == ClientCaPolicy::merge && (!former_file(seen, "ssl_ca_file").empty() || !former_file(seen, "ssl_crl_file").empty());
  if (!known_ || ended || inputs != known_by_) {
    const Sources sources = gather(ports, desired, seen);
    known_ = Assembly(seen.issuer, sources, now).finish();
    known_by_ = sources.unread.empty() ? std::move(inputs) : std::string{};
  }
  return *known_;
}

}  // namespace pgcertd::engine
