#include "engine/leaf_judge.hpp"

#include "x509/known_certificates.hpp"
#include "x509/verify.hpp"

namespace pgcertd::engine {
namespace {

using x509::Certificate;

// Another encoding of the same public half is for OpenSSL to compare.
bool matches(const std::string& spki_sha256, const Secret& key_pem, const Certificate& leaf) {
  if (spki_sha256 == leaf.facts().spki_sha256) return true;
  const auto key = x509::PrivateKey::parse(key_pem.view(), "server.key");
  return key && x509::key_matches(*key, leaf);
}

void judge_pair(LeafJudgement& out, const std::string& chain_pem, const Secret& key_pem, const Certificate& leaf) {
  const auto spki = x509::known_spki_sha256(key_pem.view(), "server.key");
  if (!spki) {
    out.load_error = spki.error().text();
    return;
  }
  out.key_read = true;
  out.key_matches = matches(*spki, key_pem, leaf);
  const auto loaded = x509::loads_as_server(chain_pem, key_pem);
  out.loads = loaded.has_value();
  if (!loaded) out.load_error = loaded.error().text();
}

// The intermediate is known to the issuer: with it the chain would be whole, so that it is missing from the file.
bool whole_with(std::vector<Certificate> chain, const std::vector<Certificate>& roots, const std::string& issuing_pem, TimePoint now) {
  auto issuing = x509::known_certificates(issuing_pem, "issuing CA");
  if (!issuing) return false;
  chain.insert(chain.end(), issuing->begin(), issuing->end());
  return x509::verify_chain(chain, roots, x509::Purpose::server, now).ok;
}

void judge_chain(LeafJudgement& out, const std::vector<Certificate>& chain, const Anchors& anchors, TimePoint now) {
  out.chain_not_after = no_expiry;
  for (const Certificate& certificate : chain) out.chain_not_after = std::min(out.chain_not_after, certificate.facts().not_after);
  out.chain_ok = true;
  if (anchors.root_pem.empty()) return;
  const auto roots = x509::known_certificates(anchors.root_pem, "root.crt");
  if (!roots) return;
  const x509::ChainVerdict verdict = x509::verify_chain(chain, *roots, x509::Purpose::server, now);
  out.chain_ok = verdict.ok;
  out.chain_error = verdict.error;
  if (verdict.ok) out.chain_not_after = verdict.not_after;
  else if (verdict.incomplete) out.chain_incomplete = !anchors.issuing_pem.empty() && whole_with(chain, *roots, anchors.issuing_pem, now);
}

bool is_revoked(const CertFacts& leaf, const std::string& crl_pem) {
  if (crl_pem.empty()) return false;
  const auto crls = x509::parse_crls(crl_pem, "root.crl");
  if (!crls) return false;
  for (const x509::Crl& crl : *crls)
    if (crl.facts().issuer == leaf.issuer && crl.contains(leaf.serial)) return true;
  return false;
}

}  // namespace

LeafJudgement judge_leaf(const std::string& chain_pem, const Secret& key_pem, const Anchors& anchors, const Names& wanted, TimePoint now) {
  LeafJudgement out;
  const auto chain = x509::known_certificates(chain_pem, "server.crt");
  if (!chain) {
    out.load_error = chain.error().text();
    out.chain_error = out.load_error;
    return out;
  }
  const CertFacts& leaf = chain->front().facts();
  judge_pair(out, chain_pem, key_pem, chain->front());
  judge_chain(out, *chain, anchors, now);
  out.weak_why = x509::weakness(*chain);
  out.weak = !out.weak_why.empty();
  out.revoked = is_revoked(leaf, anchors.crl_pem);
  for (const auto* list : {&wanted.dns, &wanted.ip})
    for (const std::string& name : *list)
      if (!x509::name_matches(leaf, name)) out.missing_names.push_back(name);
  return out;
}

}  // namespace pgcertd::engine
