// Verdicts: as PostgreSQL loads a pair, and as a verify-full libpq client judges a served chain. Time is an argument.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "core/cert.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"

namespace pgcertd::x509 {

enum class Purpose : std::uint8_t { server, client, any };

struct ChainVerdict {
  bool ok = false;
  std::string error;              // X509_verify_cert_error_string, with the certificate it is about
  bool incomplete = false;        // an issuer is missing (UNABLE_TO_GET_ISSUER_CERT*), not wrong
  TimePoint not_after = no_expiry;  // earliest end on the verified path, root included
};

// `chain`: leaf first, as in server.crt; `roots`: the only trust anchors. With `crls`, CRL_CHECK and CRL_CHECK_ALL.
ChainVerdict verify_chain(const std::vector<Certificate>& chain, const std::vector<Certificate>& roots, Purpose purpose, TimePoint at,
                          const std::vector<Crl>& crls = {});

// As libpq 15 matches a host (pq_verify_peer_name_matches_certificate): SAN, wildcard of one label, iPAddress, CN only
// without a dNSName.
bool name_matches(const CertFacts& leaf, std::string_view host);

// As be_tls_init does it at the default security level: SSL_CTX_use_certificate_chain_file, SSL_CTX_use_PrivateKey_file,
// SSL_CTX_check_private_key. The error is OpenSSL's text.
Result<void> loads_as_server(std::string_view chain_pem, const Secret& key_pem);

// Below security level 2 or without a digest for tls-server-end-point (RFC 5929); empty: strong enough.
std::string weakness(const std::vector<Certificate>& chain);

// By its signature alone: names, dates and keyUsage are the caller's to judge.
bool crl_signed_by(const Crl& crl, const Certificate& authority);

// Of the CA's subject, as OpenSSL looks for its CRLs in a directory: HASH.r0, HASH.r1, … (X509_LOOKUP_hash_dir).
std::string name_hash(const Certificate& authority);

// Serials that `before` revokes and `after` does not.
std::vector<std::string> entries_missing(const Crl& before, const Crl& after);

bool key_matches(const PrivateKey& key, const Certificate& leaf);

}  // namespace pgcertd::x509
