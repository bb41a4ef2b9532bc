// Trust for client certificates: ssl_ca_file and ssl_crl_file of a cluster, set together or not at all, from the moment somebody
// has or needs a client certificate; and the CRLs in them, which must follow the issuer's without ever going back. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/shared_text.hpp"
#include "core/cert.hpp"
#include "core/finding.hpp"

namespace pgcertd {

struct Desired;
struct Observation;

// CRLs of another CA, as [crl.NAME] has them fetched.
struct OtherCrls {
  std::string name;
  SharedText pem;
  std::vector<CrlFacts> crls;
  std::string trouble;             // why the last fetch brought nothing; what was kept may still be good
  std::optional<TimePoint> fetched_at;
};

// What root.crt and root.crl of the next generation are to hold: the issuer's own, and with client_ca = "merge" the anchors of the
// ssl_ca_file that was there before, too. A CRL for each CA, or none at all.
struct TrustSet {
  std::string root_pem;
  std::vector<CertFacts> roots;
  SharedText crl_pem;
  std::vector<CrlFacts> crls;      // empty: the set is not complete
  std::string why;                 // it is not
};

// What handshakes with two client certificates showed, of which the installed CRL revokes one.
enum class CanaryVerdict : std::uint8_t {
  unknown,       // nothing could be asked, or the answers fit nothing
  loaded,        // the good one is let in, the revoked one is not
  stale,         // both are let in: the server has not loaded this CRL
  locked_out,    // both are refused: so is every client with a certificate
};

// Why clients' certificates are to be judged by this cluster, or why not.
struct TrustWish {
  bool wanted = false;
  std::string why;
};
TrustWish trust_wish(const Desired& desired, const Observation& seen);

// Do ssl_ca_file and ssl_crl_file both name the files of the current generation?
bool trust_in_force(const Observation& seen);

// May the set `next` take the place of `installed`? Empty: yes; else the reason against it. For each CA that both know, the CRL
// number and thisUpdate must move on (RFC 5280 5.2.3; OpenSSL takes the newest thisUpdate).
std::string crls_follow(const std::vector<CrlFacts>& installed, const std::vector<CrlFacts>& next);

// Why a CRL from elsewhere may not be installed, by its form and dates (RFC 5280 5.2; OpenSSL 3.0 would take a delta for a whole
// one). Empty: nothing against it. Its signature is the caller's to judge.
std::string crl_fault(const CrlFacts& crl, TimePoint now);

// The issuer's set is another one than the current generation's, and may take its place.
struct TrustStep {
  bool wanted = false;
  std::string why;
  std::optional<Finding> refused;   // why it is not installed though it is newer
};
TrustStep trust_step(const Desired& desired, const Observation& seen);

std::vector<Finding> judge_trust(const Desired& desired, const Observation& seen);

}  // namespace pgcertd
