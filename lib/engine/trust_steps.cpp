#include "engine/trust_steps.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "x509/certificate.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

// Other CAs know themselves what may leave their CRLs.
bool of_issuer(const Step& s, const x509::Crl& crl) {
  const auto& issuing = s.seen.issuer.issuing;
  return issuing && crl.facts().issuer == issuing->subject && crl.facts().authority_key_id == issuing->subject_key_id;
}

// Entries leave a CRL when their certificates are over. Any other that is gone was forgotten: its registry was lost or restored.
Result<void> check_nothing_dropped(Step& s, const GenerationContent& installed) {
  if (installed.crl_pem.empty()) return {};
  PGCERTD_TRY(const auto before, x509::parse_crls(installed.crl_pem, "the installed CRL"));
  PGCERTD_TRY(const auto after, x509::parse_crls(s.seen.trust_set.crl_pem.str(), "the new CRLs"));
  for (const x509::Crl& old : before)
    for (const x509::Crl& next : after) {
      if (!of_issuer(s, old) || old.facts().issuer != next.facts().issuer || old.facts().authority_key_id != next.facts().authority_key_id) continue;
      const auto gone = x509::entries_missing(old, next);
      if (!gone.empty()) PGCERTD_CHECK(s.ports.issuer.check_retired(gone, s.now));
    }
  return {};
}

Result<void> stage_refreshed(Step& s) {
  PGCERTD_TRY(GenerationContent content, s.ports.generations.load(s.seen.generations.current));
  PGCERTD_CHECK(check_nothing_dropped(s, content));
  content.origin = Origin::refreshed;
  PGCERTD_TRY(const std::string id, stage(s, std::move(content)));
  (void)id;
  return {};
}

}  // namespace

Result<void> add_trust(Step& s, GenerationContent& content) {
  const bool in_force = trust_in_force(s.seen);
  if (!s.seen.trust_set.crls.empty() && (in_force || content.origin == Origin::refreshed)) {
    const GenerationSeen* current = s.seen.generations.live();
    if (current == nullptr || crls_follow(current->crls, s.seen.trust_set.crls).empty()) {
      content.root_pem = s.seen.trust_set.root_pem;
      content.crl_pem = s.seen.trust_set.crl_pem;
      return {};
    }
  }
  if (!in_force) return {};
  PGCERTD_TRY(const GenerationContent installed, s.ports.generations.load(s.seen.generations.current));
  content.crl_pem = installed.crl_pem;
  content.root_pem = installed.root_pem;
  return {};
}

void note_trust_trouble(Step& s, const std::string& message, const std::string& remedy) {
  const std::uint32_t tries = s.memory.trust_trouble ? s.memory.trust_trouble->tries + 1 : 1;
  s.memory.trust_trouble = TrustTrouble{printable(message), remedy, s.now, tries};
}

Result<void> refresh(Step& s) {
  auto done = stage_refreshed(s);
  if (!done) note_trust_trouble(s, done.error().text(), done.error().remedy);
  return done;
}

std::string crl_numbers(const GenerationSeen& generation) {
  std::vector<std::string> numbers;
  for (const CrlFacts& crl : generation.crls) numbers.push_back(printable(crl.number, 80));
  return fmt::format("{}", fmt::join(numbers, ", "));
}

}  // namespace pgcertd::engine
