// CrlSet: what ssl_crl_file holds, judged as the OpenSSL inside PostgreSQL uses it: CRL_CHECK_ALL, so that one CA without a
// good CRL refuses every client that sends a certificate, and PostgreSQL itself never says why. Values; the judge is pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/cert.hpp"
#include "core/finding.hpp"

namespace pgcertd {

struct InstalledCrl {
  CrlFacts facts;
  std::vector<std::string> signers;      // subject key ids of CAs in ssl_ca_file whose key signed it
  bool operator==(const InstalledCrl&) const = default;
};

struct CrlSet {
  std::string path;                      // ssl_crl_file, resolved
  std::string trouble;                   // why it could not be read or parsed; empty: it could
  TimePoint modified{};
  std::vector<InstalledCrl> crls;        // in the file's order, which decides between two of equal thisUpdate
  std::vector<CertFacts> authorities;    // CAs in ssl_ca_file
  bool operator==(const CrlSet&) const = default;
};

// The one that OpenSSL takes for this CA (get_crl_sk: newest thisUpdate, then the first), or nullptr.
const InstalledCrl* crl_of(const CrlSet& set, const CertFacts& authority);

// `loaded`: when the server last read its files (pg_conf_load_time).
std::vector<Finding> judge_crls(const CrlSet& set, TimePoint loaded, TimePoint now);

}  // namespace pgcertd
