#include "x509/bundle.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/pkcs7.h>

#include <charconv>
#include <optional>

#include "x509/asn1.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

constexpr std::string_view head_key = "Objects: ";

bool holds(std::string_view bytes, std::string_view block) { return bytes.find(fmt::format("-----BEGIN {}-----", block)) != std::string_view::npos; }

// Each object is copied out: the PKCS7 keeps its own.
Result<Bundle> unpack(const PKCS7* pkcs7, std::string_view name) {
  Bundle out;
  if (!PKCS7_type_is_signed(pkcs7) || pkcs7->d.sign == nullptr)
    return fail(Errc::parse, fmt::format("\"{}\" is PKCS#7, but not the kind that carries certificates (signedData)", name));
  for (int i = 0; i < sk_X509_num(pkcs7->d.sign->cert); ++i) {
    PGCERTD_TRY(Certificate one, Certificate::from_der(to_der(sk_X509_value(pkcs7->d.sign->cert, i), i2d_X509)));
    out.certificates.push_back(std::move(one));
  }
  for (int i = 0; i < sk_X509_CRL_num(pkcs7->d.sign->crl); ++i) {
    PGCERTD_TRY(Crl one, Crl::from_der(to_der(sk_X509_CRL_value(pkcs7->d.sign->crl, i), i2d_X509_CRL)));
    out.crls.push_back(std::move(one));
  }
  return out;
}

Result<Bundle> from_pkcs7_pem(std::string_view bytes, std::string_view name) {
  const BioPtr bio = read_only_bio(bytes);
  const Pkcs7Ptr pkcs7(bio ? PEM_read_bio_PKCS7(bio.get(), nullptr, no_passphrase, nullptr) : nullptr);
  if (!pkcs7) return fail(openssl_error("PEM_read_bio_PKCS7", name, Errc::parse));
  return unpack(pkcs7.get(), name);
}

Result<Bundle> from_der(std::string_view bytes, std::string_view name) {
  if (const auto pkcs7 = from_der_bytes<Pkcs7Ptr>(bytes, d2i_PKCS7)) return unpack(pkcs7.get(), name);
  ERR_clear_error();
  if (auto certificate = Certificate::from_der(bytes)) return Bundle{{std::move(*certificate)}, {}};
  if (auto crl = Crl::from_der(bytes)) return Bundle{{}, {std::move(*crl)}};
  return fail(Errc::parse, fmt::format("\"{}\" is neither PEM, PKCS#7, a certificate nor a CRL", name), "pgcertctl inspect FILE shows what it is");
}

std::optional<std::size_t> objects_told(std::string_view bytes) {
  if (!bytes.starts_with(head_key)) return std::nullopt;
  const std::string_view number = bytes.substr(head_key.size(), bytes.find('\n') - head_key.size());
  std::size_t out = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), out);
  return error == std::errc() && end == number.data() + number.size() ? std::optional(out) : std::nullopt;
}

Result<Bundle> from_pem(std::string_view bytes, std::string_view name) {
  if (holds(bytes, "PKCS7")) return from_pkcs7_pem(bytes, name);
  Bundle out;
  if (holds(bytes, "CERTIFICATE")) {
    PGCERTD_TRY(out.certificates, parse_certificates(bytes, name));
  }
  if (holds(bytes, "X509 CRL")) {
    PGCERTD_TRY(out.crls, parse_crls(bytes, name));
  }
  const std::size_t found = out.certificates.size() + out.crls.size();
  if (const auto told = objects_told(bytes); told && *told != found)
    return fail(Errc::parse, fmt::format("\"{}\" holds {} objects, and its head tells of {}: it was cut off", name, found, *told), "copy the file again from where it was written");
  return out;
}

}  // namespace

std::string bundle_head(std::size_t objects) { return fmt::format("{}{}\n", head_key, objects); }

Result<Bundle> parse_bundle(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  PGCERTD_TRY(Bundle out, looks_like_pem(bytes) ? from_pem(bytes, name) : from_der(bytes, name));
  if (out.certificates.empty() && out.crls.empty())
    return fail(Errc::parse, fmt::format("\"{}\" holds neither a certificate nor a CRL, in PEM or in PKCS#7", name), "take the file that the root's side wrote");
  return out;
}

}  // namespace pgcertd::x509
