#include "x509/inspect_findings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.hpp"
#include "x509/weakness.hpp"

namespace pgcertd::x509 {
namespace {

using Kind = Inspection::Kind;

std::string shown(const CertFacts& certificate) {
  return fmt::format("certificate \"{}\"", printable(certificate.subject.empty() ? certificate.serial : certificate.subject, 120));
}

void judge_dates(std::vector<std::string>& findings, const CertFacts& certificate, TimePoint now) {
  if (now > certificate.not_after)
    findings.push_back(fmt::format("{} expired at {} ({}): PostgreSQL serves it all the same, verifying clients refuse it", shown(certificate),
                                   to_rfc3339(certificate.not_after), relative_text(certificate.not_after, now)));
  if (now < certificate.not_before)
    findings.push_back(fmt::format("{} is not valid before {}: verifying clients refuse it", shown(certificate), to_rfc3339(certificate.not_before)));
}

void judge_server_leaf(std::vector<std::string>& findings, const CertFacts& leaf) {
  if (!leaf.server_auth) findings.push_back(shown(leaf) + " is not for servers (extendedKeyUsage): verifying clients refuse it from a server");
  if (leaf.names.dns.empty() && leaf.names.ip.empty() && leaf.server_auth)
    findings.push_back(shown(leaf) + " has no subjectAltName: verify-full falls back to its common name, which other clients ignore");
}

void judge_order(std::vector<std::string>& findings, const std::vector<CertFacts>& chain) {
  const bool has_leaf = std::any_of(chain.begin(), chain.end(), [](const CertFacts& one) { return !one.is_ca; });
  if (!has_leaf) return;   // a bundle of CAs, whose order is free
  if (chain.front().is_ca) return findings.push_back("as ssl_cert_file it fails (key values mismatch): the server's certificate must come first");
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (chain[i - 1].issuer != chain[i].subject)
      findings.push_back(fmt::format("{} did not issue the one before it: the chain is out of order or has a gap", shown(chain[i])));
}

void judge_pair(Inspection& seen) {
  if (seen.certificates.empty() || seen.key_spki_sha256.empty()) return;
  const CertFacts& leaf = seen.certificates.front();
  if (leaf.spki_sha256 != seen.key_spki_sha256) seen.findings.push_back("the private key does not belong to the first certificate (key values mismatch)");
}

void judge_certificates(Inspection& seen, TimePoint now) {
  if (seen.certificates.empty()) return;
  for (const CertFacts& certificate : seen.certificates) judge_dates(seen.findings, certificate, now);
  if (const std::string weak = weakness(seen.certificates); !weak.empty()) seen.findings.push_back("too weak: " + weak);
  if (seen.kind != Kind::pkcs12 && !seen.certificates.front().is_ca) judge_server_leaf(seen.findings, seen.certificates.front());
  if (seen.kind != Kind::pkcs12) judge_order(seen.findings, seen.certificates);   // a set: whoever reads it finds the order
  judge_pair(seen);
}

void judge_crl(std::vector<std::string>& findings, const CrlFacts& crl, TimePoint now) {
  const std::string name = fmt::format("CRL of \"{}\"", printable(crl.issuer, 120));
  if (crl.delta) findings.push_back(name + " is a delta: PostgreSQL ignores it");
  if (crl.indirect) findings.push_back(name + " is indirect: PostgreSQL does not use it");
  if (crl.unknown_critical) findings.push_back(name + " has a critical extension that OpenSSL does not know: it refuses every client certificate");
  if (crl.this_update > now) findings.push_back(fmt::format("{} is not valid before {}: it refuses every client certificate", name, to_rfc3339(crl.this_update)));
  if (!crl.next_update) findings.push_back(name + " has no nextUpdate (RFC 5280 5.1.2.5)");
  else if (now > *crl.next_update)
    findings.push_back(fmt::format("{} expired at {} ({}): it refuses every client certificate", name, to_rfc3339(*crl.next_update),
                                   relative_text(*crl.next_update, now)));
}

void judge_request(std::vector<std::string>& findings, const RequestFacts& request) {
  if (!request.signature_ok) findings.push_back("the request's signature is wrong: its sender does not prove that it holds the key");
  if (request.asks_for_ca) findings.push_back("the request asks to become a CA");
}

void judge_form(Inspection& seen) {
  if (seen.kind == Kind::unknown && seen.findings.empty())
    seen.findings.push_back("neither PEM nor DER of a certificate, key, request, CRL or PKCS#12");
  if (seen.kind == Kind::unknown) return;
  if (seen.kind == Kind::pkcs12) seen.findings.push_back("PostgreSQL does not load PKCS#12: openssl pkcs12 -in FILE -nodes writes PEM");
  else if (!seen.pem) seen.findings.push_back("PostgreSQL loads PEM only, not DER");
  if (seen.kind == Kind::encrypted_key)
    seen.findings.push_back("the key is encrypted: PostgreSQL needs ssl_passphrase_command, and ssl_passphrase_command_supports_reload to renew without a restart");
}

void judge_key(Inspection& seen) {
  if (seen.key_name.empty() || !seen.certificates.empty()) return;   // beside a certificate, weakness() has said it
  if (const std::string weak = weak_key(seen.key_name); !weak.empty()) seen.findings.push_back("too weak: " + weak);
}

}  // namespace

void add_findings(Inspection& seen, TimePoint now) {
  judge_form(seen);
  judge_certificates(seen, now);
  judge_key(seen);
  for (const CrlFacts& crl : seen.crls) judge_crl(seen.findings, crl, now);
  for (const RequestFacts& request : seen.requests) judge_request(seen.findings, request);
}

}  // namespace pgcertd::x509
