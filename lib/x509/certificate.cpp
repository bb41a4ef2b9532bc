#include "x509/certificate.hpp"

#include <fmt/format.h>
#include <openssl/pem.h>

#include "x509/asn1.hpp"
#include "x509/facts.hpp"
#include "x509/handles.hpp"
#include "x509/openssl_error.hpp"

namespace pgcertd::x509 {
namespace {

// More blocks than any bundle has; each costs a signature check.
constexpr std::size_t max_blocks = 10'000;

template <class T>
std::string pem_of(T* object, int (*write)(BIO*, const T*)) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (!bio || write(bio.get(), object) != 1) return {};
  return bio_text(bio.get());
}

// Others' serials may be longer than RFC 5280 allows, or negative; they can be revoked all the same.
Asn1IntegerPtr foreign_serial(std::string_view hex) {
  if (hex.empty() || hex.size() > 256 || hex.find_first_not_of("-0123456789abcdefABCDEF") != std::string_view::npos) return nullptr;
  BIGNUM* parsed = nullptr;
  const int read = BN_hex2bn(&parsed, std::string(hex).c_str());
  const BignumPtr number(parsed);
  return Asn1IntegerPtr(read == static_cast<int>(hex.size()) ? BN_to_ASN1_INTEGER(number.get(), nullptr) : nullptr);
}

template <class Object>
Result<std::vector<Object>> single(Result<Object> object, std::string_view name) {
  if (!object) return fail(std::move(object).error().within(fmt::format("reading \"{}\"", name)));
  std::vector<Object> out;
  out.push_back(std::move(*object));
  return out;
}

// Reads blocks until there are no more. `next` is given the number of blocks read so far.
template <class Object, class Next>
Result<std::vector<Object>> read_blocks(std::string_view bytes, std::string_view name, std::string_view what, Next next) {
  const BioPtr bio = read_only_bio(bytes);
  if (!bio) return fail(openssl_error("BIO_new_mem_buf", name));
  std::vector<Object> out;
  while (auto handle = next(bio.get(), out.size())) {
    if (out.size() == max_blocks) return fail(Errc::parse, fmt::format("\"{}\" holds more than {} blocks", name, max_blocks));
    auto object = adopt(std::move(handle));
    if (!object) return fail(std::move(object).error().within(fmt::format("{} {} of \"{}\"", what, out.size() + 1, name)));
    out.push_back(std::move(*object));
    ERR_clear_error();
  }
  if (!pem_ended()) return fail(openssl_error("PEM_read_bio", fmt::format("{}, {} {}", name, what, out.size() + 1), Errc::parse));
  if (out.empty()) return fail(Errc::parse, fmt::format("no {} in \"{}\"", what, name));
  return out;
}

}  // namespace

Result<Certificate> adopt(X509Ptr x509) {
  PGCERTD_TRY(CertFacts facts, cert_facts(x509.get()));
  return Certificate(std::make_shared<const Certificate::Handle>(Certificate::Handle{std::move(x509), std::move(facts)}));
}

Result<Crl> adopt(X509CrlPtr crl) {
  PGCERTD_TRY(CrlFacts facts, crl_facts(crl.get()));
  return Crl(std::make_shared<const Crl::Handle>(Crl::Handle{std::move(crl), std::move(facts)}));
}

Result<Certificate> Certificate::from_der(std::string_view der) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(der, "certificate"));
  auto x509 = from_der_bytes<X509Ptr>(der, d2i_X509);
  if (!x509) return fail(Errc::parse, "d2i_X509: not one certificate in DER (" + drain_errors() + ")");
  return adopt(std::move(x509));
}

const CertFacts& Certificate::facts() const { return handle_->facts; }
std::string Certificate::der() const { return to_der(handle_->x509.get(), i2d_X509); }
std::string Certificate::pem() const { return pem_of<X509>(handle_->x509.get(), PEM_write_bio_X509); }

Result<Crl> Crl::from_der(std::string_view der) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(der, "CRL"));
  auto crl = from_der_bytes<X509CrlPtr>(der, d2i_X509_CRL);
  if (!crl) return fail(Errc::parse, "d2i_X509_CRL: not one CRL in DER (" + drain_errors() + ")");
  return adopt(std::move(crl));
}

const CrlFacts& Crl::facts() const { return handle_->facts; }
std::string Crl::der() const { return to_der(handle_->crl.get(), i2d_X509_CRL); }
std::string Crl::pem() const { return pem_of<X509_CRL>(handle_->crl.get(), PEM_write_bio_X509_CRL); }

bool Crl::contains(std::string_view serial) const {
  const CleanErrorQueue clean;
  const Asn1IntegerPtr number = foreign_serial(serial);
  X509_REVOKED* entry = nullptr;
  // 2 is removeFromCRL: that certificate is valid again.
  return number && X509_CRL_get0_by_serial(handle_->crl.get(), &entry, number.get()) == 1;
}

Result<std::vector<Certificate>> parse_certificates(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (!bytes.empty() && !looks_like_pem(bytes)) return single(Certificate::from_der(bytes), name);
  // As SSL_CTX_use_certificate_chain_file: TRUSTED CERTIFICATE counts as the first block only, later ones are passed over.
  return read_blocks<Certificate>(bytes, name, "certificate", [](BIO* bio, std::size_t read) {
    return X509Ptr(read == 0 ? PEM_read_bio_X509_AUX(bio, nullptr, no_passphrase, nullptr) : PEM_read_bio_X509(bio, nullptr, no_passphrase, nullptr));
  });
}

Result<std::vector<Crl>> parse_crls(std::string_view bytes, std::string_view name) {
  const CleanErrorQueue clean;
  PGCERTD_CHECK(check_size(bytes, name));
  if (!bytes.empty() && !looks_like_pem(bytes)) return single(Crl::from_der(bytes), name);
  return read_blocks<Crl>(bytes, name, "CRL",
                          [](BIO* bio, std::size_t) { return X509CrlPtr(PEM_read_bio_X509_CRL(bio, nullptr, no_passphrase, nullptr)); });
}

std::string to_pem(const std::vector<Certificate>& chain) {
  std::string out;
  for (const Certificate& certificate : chain) out += certificate.pem();
  return out;
}

}  // namespace pgcertd::x509
