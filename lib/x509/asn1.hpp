// Plain values to and from ASN.1: times, serial numbers, names, digests. For this room only.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"
#include "core/cert.hpp"
#include "x509/openssl_ptr.hpp"
#include "x509/pem.hpp"

namespace pgcertd::x509 {

// TRUE as DER has it (X.690 11.1). OpenSSL writes whatever stands in an ASN1_BOOLEAN and reads all but zero as true; strict readers
// (Go, Rust) refuse a certificate with anything else.
inline constexpr int der_true = 0xFF;

// Larger input is refused before it is looked at.
constexpr std::size_t max_input = largest_crl;
Result<void> check_size(std::string_view bytes, std::string_view name);

// A view for reading; `bytes` must outlive it.
BioPtr read_only_bio(std::string_view bytes);
std::string bio_text(BIO* bio);
// OpenSSL asks at the terminal where it gets no callback; this one says that there is no passphrase.
int no_passphrase(char* buffer, int size, int rwflag, void* data);
// True when the last read ended because there are no more blocks, not because one is broken.
bool pem_ended();

// 64-bit all the way: 9999-12-31 must not wrap.
Result<TimePoint> from_asn1(const ASN1_TIME* time, std::string_view field);
// UTCTime until 2049, GeneralizedTime after (RFC 5280 4.1.2.5); no clock of OpenSSL is involved.
Result<Asn1TimePtr> to_asn1(TimePoint at);
Result<std::string> time_der(TimePoint at);   // the same in DER, without an object

std::string hex_of(const ASN1_OCTET_STRING* octets);       // empty for none
std::string serial_hex(const ASN1_INTEGER* serial);
Result<Asn1IntegerPtr> integer_from_hex(std::string_view hex);
Result<Asn1IntegerPtr> integer_from_decimal(std::string_view decimal);
std::string decimal_of(const ASN1_INTEGER* integer);

std::string sha256_hex(std::string_view bytes);
std::string spki_sha256(const X509_PUBKEY* key);
// `to` becomes the same key. X509_set_pubkey() would encode it, decode it and decode it again: most of the time that a certificate takes.
bool copy_public_key(X509_PUBKEY* to, const X509_PUBKEY* from);
std::string name_text(const X509_NAME* name);              // RFC 2253
std::string common_name_of(const X509_NAME* name);         // the first CN, in UTF-8
Names names_of(const GENERAL_NAMES* names);                // dNSName and iPAddress only
// An iPAddress that is no address (a length other than 4 and 16) reads "invalid:HEX"; libpq refuses such a certificate.
constexpr std::string_view invalid_ip_prefix = "invalid:";

// i2d_*: DER of `object`.
template <class T, class Encode>
std::string to_der(T* object, Encode encode) {
  unsigned char* out = nullptr;
  const int size = encode(object, &out);
  const BytesPtr owner(out);
  return size > 0 ? std::string(reinterpret_cast<const char*>(out), static_cast<std::size_t>(size)) : std::string{};
}

// d2i_*: all of `bytes`, or nothing.
template <class Ptr, class Decode>
Ptr from_der_bytes(std::string_view bytes, Decode decode) {
  const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
  const unsigned char* const end = at + bytes.size();
  Ptr object(decode(nullptr, &at, static_cast<long>(bytes.size())));
  if (object && at != end) object.reset();
  return object;
}

}  // namespace pgcertd::x509
