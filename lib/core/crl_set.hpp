// CrlSet: what ssl_crl_file and ssl_crl_dir hold, judged as the OpenSSL inside PostgreSQL uses it: CRL_CHECK_ALL, so that one CA without a
// good CRL refuses every client that sends a certificate, and PostgreSQL itself never says why. Values; the judge is pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/cert.hpp"
#include "core/finding.hpp"

namespace pgcertd {

struct InstalledCrl {
  CrlFacts facts;
  std::vector<std::string> signers{};    // subject key ids of CAs in ssl_ca_file whose key signed it
  std::string path{};                    // the file that it stands in
  bool operator==(const InstalledCrl&) const = default;
};

struct CrlSet {
  std::string path;                      // ssl_crl_file, resolved; or ssl_crl_dir where that is not set
  std::string directory{};               // ssl_crl_dir, resolved; its CRLs are those that OpenSSL finds there, after those of the file
  std::map<std::string, std::string> astray{};   // by a CA's subject key id: why its CRL in the directory is not found
  std::string trouble;                   // why it could not be read or parsed; empty: it could
  TimePoint modified{};
  std::vector<InstalledCrl> crls;        // in the file's order, which decides between two of equal thisUpdate
  std::vector<CertFacts> authorities;    // CAs in ssl_ca_file
  bool operator==(const CrlSet&) const = default;
};

// The one that OpenSSL takes for this CA (get_crl_sk: newest thisUpdate, then the first), or nullptr.
const InstalledCrl* crl_of(const CrlSet& set, const CertFacts& authority);

// What so many entries cost, from 10,000 on: shown beside the CRL and told when it is installed, but no problem; empty below.
std::string crl_size_notice(std::uint64_t entries);

// `loaded`: when the server last read its files (pg_conf_load_time).
std::vector<Finding> judge_crls(const CrlSet& set, TimePoint loaded, TimePoint now);

}  // namespace pgcertd
