// A CRL by walking its DER: where its parts stand, and its entries one by one, without an object for each. Views into bytes that
// somebody else holds. Takes only what OpenSSL takes, and reads it as OpenSSL does; what it does not take, OpenSSL must judge.
// For this room only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "x509/der_reader.hpp"

namespace pgcertd::x509 {

// CertificateList of RFC 5280 5.1 in its pieces, in their order.
struct CrlParts {
  std::string_view tbs;          // tbsCertList with its header: what is signed
  std::string_view before;       // in tbs: version, signature, issuer, thisUpdate, nextUpdate
  std::string_view entries;      // in tbs: the content of revokedCertificates
  std::string_view after;        // in tbs: crlExtensions
  std::string_view algorithm;    // signatureAlgorithm, with its header
  std::string_view signature;    // the octets of signatureValue
};
std::optional<CrlParts> split_crl(std::string_view der);

// The same CRL with other entries (content of revokedCertificates; empty: none) and another signature.
std::string assemble_tbs(const CrlParts& parts, std::string_view entries);
std::string assemble_crl(std::string_view tbs, std::string_view algorithm, std::string_view signature);

struct CrlEntry {
  std::string_view whole;
  std::string_view serial;       // the content of its INTEGER
  std::string_view time;         // UTCTime or GeneralizedTime, with its header
  int reason = -1;               // CRLReason; -1: none is given
  bool unknown_critical = false; // a critical extension that OpenSSL does not know in an entry
};

// nullopt: not in the form that this reader knows, or with a certificateIssuer, which speaks of entries after it as well.
std::optional<CrlEntry> read_entry(const DerElement& element);

// That certificate is valid again; only a delta has such entries.
constexpr int reason_remove_from_crl = 8;

// Which of two serials comes first: by value where none is negative, as X509_CRL_sort has them.
constexpr bool serial_less(std::string_view a, std::string_view b) { return a.size() != b.size() ? a.size() < b.size() : a < b; }

// Entries found by serial: four bytes for each. Of several with one serial, the first in the CRL's order counts, as for OpenSSL.
class SerialIndex {
 public:
  // nullopt: one of the entries cannot be read. `entries` must outlive it.
  static std::optional<SerialIndex> of(std::string_view entries);

  [[nodiscard]] std::optional<CrlEntry> find(std::string_view serial) const;
  [[nodiscard]] std::size_t size() const { return offsets_.size(); }
  // All entries by serial, each serial once.
  [[nodiscard]] std::string in_order() const;
  // The first entry with an unknown critical extension, or empty.
  [[nodiscard]] std::string_view unknown_critical() const { return unknown_critical_; }

 private:
  [[nodiscard]] CrlEntry at(std::uint32_t offset) const;
  [[nodiscard]] std::string_view serial_at(std::uint32_t offset) const;
  void sort();

  std::string_view entries_, unknown_critical_;
  std::vector<std::uint32_t> offsets_;   // in the order of serial_less
};

}  // namespace pgcertd::x509
