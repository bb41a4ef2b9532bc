#include "x509/asn1.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <chrono>
#include <ctime>
#include <span>

#include "base/hex.hpp"
#include "base/text.hpp"
#include "x509/der_reader.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

std::string_view view_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)), static_cast<std::size_t>(ASN1_STRING_length(text))};
}

std::span<const std::uint8_t> bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string ip_text(std::string_view address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = address.size() == 4 ? AF_INET : AF_INET6;
  if ((address.size() == 4 || address.size() == 16) && ::inet_ntop(family, address.data(), text.data(), text.size())) return text.data();
  return fmt::format("{}{}", invalid_ip_prefix, to_hex(bytes_of(address)));
}

std::string take_bignum_text(char* text) {
  const std::unique_ptr<char, BytesFree> owner(text);
  return text ? std::string(text) : std::string{};
}

Result<Asn1IntegerPtr> positive_integer(const BIGNUM* number, std::string_view text) {
  // RFC 5280 4.1.2.2 and 5.2.3: at most 20 octets.
  if (!number || BN_is_negative(number) || BN_num_bits(number) > 159) return fail(Errc::invalid, fmt::format("number \"{}\": more than 20 octets", printable(text)));
  Asn1IntegerPtr integer(BN_to_ASN1_INTEGER(number, nullptr));
  if (!integer) return fail(openssl_error("BN_to_ASN1_INTEGER", text));
  return integer;
}

// 20260101000000Z
Result<std::string> asn1_digits(TimePoint at) {
  if (at < TimePoint{} || at > no_expiry) return fail(Errc::invalid, fmt::format("time {}: outside 1970 to 9999", to_rfc3339(at)));
  std::string text = to_compact_utc(at);                   // 20260101T000000Z
  text.erase(std::remove(text.begin(), text.end(), 'T'), text.end());
  return text;
}

}  // namespace

Result<void> check_size(std::string_view bytes, std::string_view name) {
  if (bytes.size() <= max_input) return {};
  return fail(Errc::parse, fmt::format("\"{}\" has {} bytes; at most {} are read", name, bytes.size(), max_input));
}

BioPtr read_only_bio(std::string_view bytes) {
  // A null pointer with length 0 is an error for OpenSSL.
  return BioPtr(BIO_new_mem_buf(bytes.empty() ? "" : bytes.data(), static_cast<int>(bytes.size())));
}

std::string bio_text(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string{};
}

int no_passphrase(char*, int, int, void*) { return -1; }

bool looks_like_pem(std::string_view bytes) { return bytes.find("-----BEGIN ") != std::string_view::npos; }

bool pem_ended() {
  const unsigned long last = ERR_peek_last_error();
  return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

Result<TimePoint> from_asn1(const ASN1_TIME* time, std::string_view field) {
  std::tm tm{};
  // ASN1_TIME_to_tm reads the clock when it is given no time.
  if (!time || ASN1_TIME_to_tm(time, &tm) != 1) return fail(Errc::parse, fmt::format("{} is not a time", field));
  const std::chrono::sys_days day = std::chrono::year{tm.tm_year + 1900} / (tm.tm_mon + 1) / tm.tm_mday;
  const auto at = day + std::chrono::hours{tm.tm_hour} + std::chrono::minutes{tm.tm_min} + std::chrono::seconds{tm.tm_sec};
  return TimePoint{std::chrono::duration_cast<Duration>(at.time_since_epoch())};
}

Result<Asn1TimePtr> to_asn1(TimePoint at) {
  PGCERTD_TRY(const std::string text, asn1_digits(at));
  Asn1TimePtr time(ASN1_TIME_new());
  if (!time || ASN1_TIME_set_string_X509(time.get(), text.c_str()) != 1) return fail(openssl_error("ASN1_TIME_set_string_X509", text));
  return time;
}

Result<std::string> time_der(TimePoint at) {
  PGCERTD_TRY(const std::string text, asn1_digits(at));
  if (text >= "2050") return der::header(der::generalized_time, text.size()) + text;
  return der::header(der::utc_time, text.size() - 2) + text.substr(2);
}

std::string hex_of(const ASN1_OCTET_STRING* octets) { return octets ? to_hex(bytes_of(view_of(octets))) : std::string{}; }

std::string serial_hex(const ASN1_INTEGER* serial) {
  const BignumPtr number(ASN1_INTEGER_to_BN(serial, nullptr));
  if (!number) return {};
  if (BN_is_zero(number.get())) return "00";
  return lower_case(take_bignum_text(BN_bn2hex(number.get())));
}

Result<Asn1IntegerPtr> integer_from_hex(std::string_view hex) {
  PGCERTD_TRY(const auto bytes, from_hex(hex));
  if (bytes.empty() || bytes.size() > 20) return fail(Errc::invalid, fmt::format("serial \"{}\": 1 to 20 octets", printable(hex, 60)));
  const BignumPtr number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return positive_integer(number.get(), hex);
}

Result<Asn1IntegerPtr> integer_from_decimal(std::string_view decimal) {
  const bool digits = !decimal.empty() && decimal.size() <= 48 && decimal.find_first_not_of("0123456789") == std::string_view::npos;
  if (!digits) return fail(Errc::invalid, fmt::format("number \"{}\": decimal digits only, at most 20 octets", printable(decimal, 60)));
  BIGNUM* parsed = nullptr;
  const int read = BN_dec2bn(&parsed, std::string(decimal).c_str());
  const BignumPtr number(parsed);
  return positive_integer(read > 0 ? number.get() : nullptr, decimal);
}

std::string decimal_of(const ASN1_INTEGER* integer) {
  const BignumPtr number(integer ? ASN1_INTEGER_to_BN(integer, nullptr) : nullptr);
  return number ? take_bignum_text(BN_bn2dec(number.get())) : std::string{};
}

std::string sha256_hex(std::string_view bytes) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) return {};
  return to_hex({digest.data(), size});
}

std::string spki_sha256(const X509_PUBKEY* key) {
  const std::string der = key ? to_der(key, i2d_X509_PUBKEY) : std::string{};
  return der.empty() ? std::string{} : sha256_hex(der);
}

bool copy_public_key(X509_PUBKEY* to, const X509_PUBKEY* from) {
  ASN1_OBJECT* algorithm = nullptr;
  const unsigned char* bytes = nullptr;
  int size = 0, type = V_ASN1_UNDEF;
  X509_ALGOR* whole = nullptr;
  const void* parameter = nullptr;
  if (X509_PUBKEY_get0_param(&algorithm, &bytes, &size, &whole, from) != 1 || size <= 0) return false;
  X509_ALGOR_get0(nullptr, &type, &parameter, whole);
  void* copied = nullptr;
  if (type == V_ASN1_OBJECT) copied = OBJ_dup(static_cast<const ASN1_OBJECT*>(parameter));
  else if (type != V_ASN1_UNDEF && type != V_ASN1_NULL) copied = ASN1_STRING_dup(static_cast<const ASN1_STRING*>(parameter));
  auto* point = static_cast<unsigned char*>(OPENSSL_memdup(bytes, static_cast<std::size_t>(size)));
  return point != nullptr && X509_PUBKEY_set0_param(to, OBJ_dup(algorithm), type, copied, point, size) == 1;   // it owns them now
}

std::string name_text(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253) < 0) return {};
  return bio_text(bio.get());
}

std::string common_name_of(const X509_NAME* name) {
  const int index = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  const X509_NAME_ENTRY* entry = index >= 0 ? X509_NAME_get_entry(name, index) : nullptr;
  if (!entry) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  const BytesPtr owner(utf8);
  return size > 0 ? std::string(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)) : std::string{};
}

Names names_of(const GENERAL_NAMES* names) {
  Names out;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) out.dns.push_back(lower_case(std::string(view_of(name->d.dNSName))));
    if (name->type == GEN_IPADD) out.ip.push_back(ip_text(view_of(name->d.iPAddress)));
  }
  return out;
}

}  // namespace pgcertd::x509
