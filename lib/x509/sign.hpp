// Profiles of facts/pki (RFC 5280): root CA, issuing CA, server leaf, CRL. Pure but for OpenSSL's randomness, which only
// new_serial() uses: a serial is recorded before it is signed.
#pragma once

#include <optional>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/cert.hpp"
#include "x509/certificate.hpp"
#include "x509/private_key.hpp"
#include "x509/revoked_list.hpp"

namespace pgcertd::x509 {

struct Validity {
  TimePoint not_before{}, not_after{};
};

// notBefore = issue time less min(1 h, lifetime / 10), never before the issuer's; notAfter = issue time + lifetime,
// clamped to the earliest end in `issuer_chain`.
Validity leaf_validity(TimePoint issue, Duration lifetime, const std::vector<CertFacts>& issuer_chain);

// 20 random bytes, hex, positive: the two top bits are 01.
Result<std::string> new_serial();

// RFC 5280 7: dNSName in LDH form or with one leftmost wildcard, iPAddress that parses. Each bad one is named.
Result<void> check_names(const Names& names);
// Tells dNSName and iPAddress apart; dNSNames come out in lower case.
Result<Names> names_from(const std::vector<std::string>& texts);

// A CA's key may not be EdDSA: its signatures break SCRAM's channel binding.
Result<void> check_ca_key(KeyType type);

Result<Certificate> make_root(const PrivateKey& key, std::string_view common_name, std::string_view serial, Validity validity);
Result<Certificate> make_issuing_ca(const PrivateKey& root_key, const Certificate& root, const PrivateKey& issuing_key,
                                    std::string_view common_name, std::string_view serial, Validity validity);

// For a key that is elsewhere: the request proves that its sender holds it, and has no other say.
Result<Certificate> sign_issuing_ca(const PrivateKey& root_key, const Certificate& root, std::string_view request_pem, std::string_view common_name,
                                    std::string_view serial, Validity validity);

struct LeafProfile {
  std::string serial;
  Names names;
  Validity validity;
  std::string crl_url;            // distribution point, or empty
  bool client_auth = false;       // besides serverAuth
};
// The public key comes from the request, everything else from the profile. Refuses a request whose signature is wrong.
Result<Certificate> sign_leaf(const PrivateKey& ca_key, const Certificate& ca, std::string_view request_pem, const LeafProfile& profile);
struct ClientProfile {
  std::string serial;
  std::string role;               // becomes the CN, which PostgreSQL compares with the role (clientcert=verify-full, cert)
  Validity validity;
  std::string crl_url;
};
// For clientAuth alone. The public key comes from the request, whose subject is not looked at.
Result<Certificate> sign_client(const PrivateKey& ca_key, const Certificate& ca, std::string_view request_pem, const ClientProfile& profile);
// The leaf signs itself (issuer type self-signed).
Result<Certificate> make_self_signed(const PrivateKey& key, const LeafProfile& profile);

// All that a CRL revokes, in its order.
std::vector<RevokedEntry> entries_of(const Crl& crl);
// The same one by one, until one fails: a million at once would take several times the memory of their CRL.
Result<void> for_each_revoked(const Crl& crl, const std::function<Result<void>(const RevokedEntry&)>& see);
// v2, sorted, with CRL number (decimal) and authority key id; no issuingDistributionPoint.
Result<Crl> sign_crl(const PrivateKey& ca_key, const Certificate& ca, std::string_view number, TimePoint this_update,
                     TimePoint next_update, RevokedList revoked);
// The same of a few.
Result<Crl> make_crl(const PrivateKey& ca_key, const Certificate& ca, std::string_view number, TimePoint this_update,
                     TimePoint next_update, const std::vector<RevokedEntry>& revoked);

}  // namespace pgcertd::x509
