// What the other files of the room need of a Crl: its entries as they are, its signature, and an object for OpenSSL that is small.
// For this room only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "x509/handles.hpp"

namespace pgcertd::x509 {

struct EntrySeen {
  std::string_view serial;       // the content of its INTEGER
  std::string_view time;         // in DER
  int reason = -1;               // CRLReason; -1: none, or none that can be read
};
void for_each_entry(const Crl::Handle& crl, const std::function<void(const EntrySeen&)>& see);

// As X509_CRL_get0_by_serial finds it; a removeFromCRL does not count.
bool revokes(const Crl::Handle& crl, std::string_view serial);

// As X509_CRL_verify judges it.
bool verifies(const Crl::Handle& crl, EVP_PKEY* key);

// An X509_CRL that is to OpenSSL what `crl` is, as far as certificates of these serials are concerned: all but the other entries. Its
// signature is none that could ever be right (`mark` stands there, so that two of them differ): verifies() has the say.
X509CrlPtr excerpt(const Crl::Handle& crl, const std::vector<std::string>& serials, std::uint32_t mark);

// One CRL in DER, and nothing after it.
Result<Crl> adopt_crl(std::string der);

// The content octets of the INTEGER.
std::string serial_octets(const ASN1_INTEGER* serial);
// The same of a positive number of 20 octets in hex, as most serials are, which needs no big number for it; empty: it is another.
std::string usual_serial_octets(std::string_view hex);
std::string serial_hex(std::string_view octets);

}  // namespace pgcertd::x509
