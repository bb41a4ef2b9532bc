#include "core/crl_set.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"

namespace pgcertd {
namespace {

using namespace std::chrono_literals;
using P = ProblemCode;

// PostgreSQL pays for each entry at each reload and at each connection with a client certificate: with 10,000 that can be measured,
// with 100,000 it is felt.
constexpr std::uint64_t notable = 10'000, oversize = 100'000;
// A file's time and the server's are of one clock, but the write may end a moment after the reload began.
constexpr Duration same_moment = 2s;

constexpr const char* renew = "have the CA sign a new one, put it into the file, and SELECT pg_reload_conf();";

struct CrlJudge {
  const CrlSet& set;
  TimePoint now;
  std::vector<Finding> out;

  void add(P code, Severity severity, const std::string& what, const std::string& remedy) { out.push_back({code, severity, set.path, what, remedy}); }
  void add(P code, const std::string& what, const std::string& remedy) { out.push_back(finding(code, what, remedy, set.path)); }
};

std::string name(const CertFacts& authority) { return printable(authority.subject, 128); }

bool is_signed_by(const InstalledCrl& crl, const CertFacts& authority) { return std::ranges::find(crl.signers, authority.subject_key_id) != crl.signers.end(); }

// OpenSSL passes over an indirect one. A delta it takes for a whole CRL, unless extended CRL support is asked for, which
// PostgreSQL does not do (get_crl_score; measured with 3.0).
bool counts(const InstalledCrl& crl) { return !crl.facts.indirect; }

void judge_dates(CrlJudge& j, const CertFacts& authority, const CrlFacts& crl) {
  if (crl.this_update > j.now) return j.add(P::crl_untrusted, fmt::format("the CRL of {} begins only at {}: every client with a certificate is refused until then", name(authority), to_rfc3339(crl.this_update)), renew);
  if (!crl.next_update) return;
  const Duration left = *crl.next_update - j.now, life = *crl.next_update - crl.this_update;
  const std::string end = fmt::format("{} ({})", relative_text(*crl.next_update, j.now), to_rfc3339(*crl.next_update));
  if (left <= 0ms) return j.add(P::crl_expired, fmt::format("the CRL of {} ended {}: every client with a certificate is refused", name(authority), end), renew);
  if (left < life / 4) j.add(P::crl_expiring, left < life / 10 ? Severity::critical : Severity::warning, fmt::format("the CRL of {} ends {}", name(authority), end), renew);
}

void judge_missing(CrlJudge& j, const CertFacts& authority) {
  const std::string lacks = fmt::format("{} stands in ssl_ca_file and has no CRL in {}: every client with a certificate below it is refused", name(authority), j.set.directory.empty() ? "ssl_crl_file" : "ssl_crl_dir");
  if (j.set.directory.empty()) return j.add(P::crl_missing, lacks, "append the CA's CRL to the file, and SELECT pg_reload_conf();");
  const auto why = j.set.astray.find(authority.subject_key_id);
  j.add(P::crl_missing, why == j.set.astray.end() ? lacks : lacks + "; " + why->second, fmt::format("put the CA's CRL there, and name it by its hash: openssl rehash {}", printable(j.set.directory, 4096)));
}

void judge_authority(CrlJudge& j, const CertFacts& authority) {
  const InstalledCrl* crl = crl_of(j.set, authority);
  if (crl == nullptr) return judge_missing(j, authority);
  if (!is_signed_by(*crl, authority)) return j.add(P::crl_untrusted, fmt::format("the CRL in the name of {} is not signed by its key", name(authority)), renew);
  if (!authority.crl_sign) return j.add(P::crl_untrusted, fmt::format("{} may not sign CRLs: its keyUsage lacks cRLSign", name(authority)), "a CA certificate with cRLSign is needed in ssl_ca_file");
  if (crl->facts.unknown_critical) return j.add(P::crl_untrusted, fmt::format("the CRL of {} has a critical extension that OpenSSL does not know", name(authority)), renew);
  if (crl->facts.delta)
    j.add(P::crl_untrusted, Severity::warning, fmt::format("a delta CRL of {} is taken for a whole one: who was revoked before it is let in", name(authority)), "put the CA's complete CRL there instead");
  judge_dates(j, authority, crl->facts);
}

void judge_size(CrlJudge& j) {
  std::uint64_t entries = 0;
  for (const InstalledCrl& crl : j.set.crls) entries += crl.facts.revoked;
  if (entries >= oversize)
    j.add(P::crl_oversize, fmt::format("{} entries: PostgreSQL reads them at each reload, and keeps them in each connection with a client certificate", entries),
          "let the CA leave out certificates that have expired, or split it");
}

void judge_loaded(CrlJudge& j, TimePoint loaded) {
  if (loaded == TimePoint{} || j.set.modified <= loaded + same_moment || j.set.modified > j.now) return;
  j.add(P::crl_not_loaded, fmt::format("it was written at {}, and PostgreSQL last read its files at {}", to_rfc3339(j.set.modified), to_rfc3339(loaded)), "SELECT pg_reload_conf();");
}

}  // namespace

const InstalledCrl* crl_of(const CrlSet& set, const CertFacts& authority) {
  const InstalledCrl* best = nullptr;
  for (const InstalledCrl& crl : set.crls)
    if (counts(crl) && crl.facts.issuer == authority.subject && (best == nullptr || crl.facts.this_update > best->facts.this_update)) best = &crl;
  return best;
}

std::string crl_size_notice(std::uint64_t entries) {
  if (entries < notable) return {};
  return fmt::format("{} entries: PostgreSQL reads them at each reload and for each connection with a client certificate", entries);
}

std::vector<Finding> judge_crls(const CrlSet& set, TimePoint loaded, TimePoint now) {
  CrlJudge j{set, now, {}};
  if (!set.trouble.empty()) {
    j.add(P::crl_untrusted, fmt::format("PostgreSQL could not load it: {}; the next reload is refused, and so is a start", printable(set.trouble, 300)), "put the CA's CRL there as PEM, or empty ssl_crl_file");
    return std::move(j.out);
  }
  for (const CertFacts& authority : set.authorities) judge_authority(j, authority);
  judge_size(j);
  judge_loaded(j, loaded);
  return std::move(j.out);
}

}  // namespace pgcertd
