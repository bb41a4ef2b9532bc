#include "core/trust.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.hpp"
#include "core/hba.hpp"
#include "core/plan.hpp"

namespace pgcertd {
namespace {

using P = ProblemCode;

std::string path_in_current(const Observation& seen, FileRole role) { return fmt::format("{}/current/{}", seen.generations.directory, file_name(role)); }

bool names_ours(const Observation& seen, const char* setting, FileRole role) { return seen.server.file_setting(setting) == path_in_current(seen, role); }

// Which of the settings names a file of somebody else.
const char* foreign_setting(const Observation& seen) {
  for (const auto& [setting, role] : {std::pair{"ssl_ca_file", FileRole::root}, std::pair{"ssl_crl_file", FileRole::crl}})
    if (!seen.server.setting(setting).empty() && !names_ours(seen, setting, role)) return setting;
  return seen.server.setting("ssl_crl_dir").empty() ? nullptr : "ssl_crl_dir";
}

const HbaRule* row_that_asks(const Observation& seen) {
  if (!seen.detail) return nullptr;
  if (!seen.detail->hba) return nullptr;
  const auto found = std::ranges::find_if(*seen.detail->hba, asks_for_certificate);
  return found == seen.detail->hba->end() ? nullptr : &*found;
}

// Decimal numbers of any length.
bool is_higher(const std::string& number, const std::string& than) { return std::pair(number.size(), number) > std::pair(than.size(), than); }

bool of_one_ca(const CrlFacts& a, const CrlFacts& b) { return a.issuer == b.issuer && a.authority_key_id == b.authority_key_id; }

bool same_set(const std::vector<CrlFacts>& a, const std::vector<CrlFacts>& b) {
  return std::ranges::equal(a, b, {}, &CrlFacts::fingerprint_sha256, &CrlFacts::fingerprint_sha256);
}

std::uint64_t entries_of(const std::vector<CrlFacts>& crls) {
  std::uint64_t sum = 0;
  for (const CrlFacts& crl : crls) sum += crl.revoked;
  return sum;
}

bool same_anchors(const Observation& seen, const GenerationSeen& current) {
  return std::ranges::equal(current.roots, seen.trust_set.roots, {}, &CertFacts::fingerprint_sha256, &CertFacts::fingerprint_sha256);
}

std::optional<Finding> why_refused(const Desired& desired, const Observation& seen, const GenerationSeen& current) {
  const std::string path = path_in_current(seen, FileRole::crl);
  if (const std::string why = crls_follow(current.crls, seen.trust_set.crls); !why.empty())
    return finding(P::crl_untrusted, "the issuer's new CRL is not installed: " + why, "as root: pgcertctl crl import " + path + "; it takes over what is revoked there", path);
  if (const std::uint64_t entries = entries_of(seen.trust_set.crls); entries > desired.cluster.crl_max_entries)
    return finding(P::crl_oversize, fmt::format("the issuer's new CRL has {} entries and is not installed: crl_max_entries is {}", entries, desired.cluster.crl_max_entries),
                   "raise crl_max_entries, if the server's memory allows it", path);
  return std::nullopt;
}

// Where the issuer itself cannot be read, its own problem says what is to be done; the installed CRLs are as they were.
Finding no_set(const Observation& seen, const std::string& path) {
  const bool issuer_is_why = seen.trust_set.why.empty();
  const std::string why = issuer_is_why ? "the issuer tells of none" : printable(seen.trust_set.why);
  return {P::crl_missing, Severity::warning, path, "no new set of CRLs can be installed: " + why,
          issuer_is_why ? "pgcertctl status: the issuer's own problem says why" : "pgcertctl ca crl where the root's key is, then pgcertctl crl import FILE"};
}

}  // namespace

TrustWish trust_wish(const Desired& desired, const Observation& seen) {
  if (trust_in_force(seen)) return {true, "ssl_ca_file and ssl_crl_file name pgcertd's files"};
  if (desired.cluster.client_ca == ClientCaPolicy::off) return {false, "client_ca is \"off\""};
  if (!seen.server.known || seen.issuer.root_pem.empty()) return {false, "the issuer has no root that clients' certificates could lead to"};
  const bool merges = desired.cluster.client_ca == ClientCaPolicy::merge && seen.server.setting("ssl_crl_dir").empty();
  if (const char* setting = foreign_setting(seen)) {
    if (merges) return {true, fmt::format("{} names a file of somebody else, and client_ca is \"merge\"", setting)};
    return {false, fmt::format("{} names a file of somebody else", setting)};
  }
  if (!seen.issuer.clients.empty()) return {true, fmt::format("the issuer has given out certificates for clients, the newest for {}", printable(seen.issuer.clients.front().role, 80))};
  if (const HbaRule* row = row_that_asks(seen)) return {true, place_of(*row) + " asks for a client certificate"};
  return {false, "no client certificate was issued, and pg_hba.conf asks for none"};
}

bool trust_in_force(const Observation& seen) {
  return seen.server.known && names_ours(seen, "ssl_ca_file", FileRole::root) && names_ours(seen, "ssl_crl_file", FileRole::crl);
}

std::string crls_follow(const std::vector<CrlFacts>& installed, const std::vector<CrlFacts>& next) {
  for (const CrlFacts& before : installed)
    for (const CrlFacts& after : next) {
      if (!of_one_ca(before, after) || before.fingerprint_sha256 == after.fingerprint_sha256) continue;
      const std::string ca = printable(after.issuer, 128);
      if (!is_higher(after.number, before.number))
        return fmt::format("number {} of {} does not follow number {}, which is installed: who was revoked since would be let in again", printable(after.number, 80), ca, printable(before.number, 80));
      if (after.this_update <= before.this_update) return fmt::format("the CRL of {} begins at {}, no later than the one that is installed", ca, to_rfc3339(after.this_update));
    }
  return {};
}

std::string crl_fault(const CrlFacts& crl, TimePoint now) {
  if (crl.delta) return "it is a delta CRL, which lists only what changed";
  if (crl.indirect) return "it is an indirect CRL, which speaks for other issuers";
  if (crl.unknown_critical) return "it has a critical extension that is not known";
  if (crl.number.empty()) return "it has no CRL number";
  if (crl.this_update > now) return "it begins only at " + to_rfc3339(crl.this_update);
  if (!crl.next_update) return "it does not say when the next one comes (nextUpdate)";
  return now >= *crl.next_update ? "it ended at " + to_rfc3339(*crl.next_update) : "";
}

TrustStep trust_step(const Desired& desired, const Observation& seen) {
  const GenerationSeen* current = seen.generations.live();
  if (current == nullptr) return {};
  if (!current->complete || seen.trust_set.crls.empty()) return {};
  const TrustWish wish = trust_wish(desired, seen);
  if (!wish.wanted || (same_set(current->crls, seen.trust_set.crls) && same_anchors(seen, *current))) return {};
  if (auto refused = why_refused(desired, seen, *current)) return {false, {}, std::move(refused)};
  return {true, fmt::format("the issuer's CRLs are newer than the installed ones ({})", wish.why), std::nullopt};
}

std::vector<Finding> judge_trust(const Desired& desired, const Observation& seen) {
  std::vector<Finding> out;
  const TrustWish wish = trust_wish(desired, seen);
  if (!wish.wanted) return out;
  const std::string path = path_in_current(seen, FileRole::crl);
  TrustStep step = trust_step(desired, seen);
  if (step.refused) out.push_back(std::move(*step.refused));
  if (seen.trust_set.crls.empty()) out.push_back(no_set(seen, path));
  // Where what is installed is what the issuer has, nothing waits any more.
  if (const auto& trouble = seen.memory.trust_trouble; trouble && step.wanted) out.push_back(finding(P::crl_untrusted, "the issuer's new CRL is not installed: " + trouble->message, trouble->remedy, path));
  if (seen.canary == CanaryVerdict::stale) out.push_back(finding(P::crl_not_loaded, "a handshake shows that the server lets in a certificate that the installed CRL revokes", "look for \"SSL configuration was not reloaded\" in the server's log", path));
  if (seen.canary == CanaryVerdict::locked_out) out.push_back(finding(P::crl_untrusted, "a handshake shows that every client with a certificate is refused: " + printable(seen.canary_text), "pgcertctl audit", path));
  return out;
}

}  // namespace pgcertd
